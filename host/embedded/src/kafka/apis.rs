//! The APIs that the broker speaks, in which versions, and who answers each.
//!
//! Each range starts where librdkafka or Kafka's own clients of version 4 still go (KIP-896), and
//! ends at the version that librdkafka 2.12 speaks or in front of the first flexible one, so that
//! there is little that nobody uses.

mod cluster;
mod configs;
mod groups;
mod offsets;
mod records;
mod topics;
mod transactions;

use bytes::Bytes;

use super::broker::Broker;
use super::wire::{Encoding, Malformed, Read, Reader, Writer};

/// Who answers.
enum Handler {
    /// At once.
    Direct(fn(&Broker, &mut Request) -> Read<Writer>),
    /// At once, or not at all where the producer wants no acknowledgement.
    Produce,
    /// When there are records, or the client's time is over.
    Fetch,
    /// When the rebalance has all members.
    JoinGroup,
    /// When the leader has brought the assignment.
    SyncGroup,
}

/// An API: its key, the versions from and to, and the first flexible one.
struct Api {
    key: i16,
    min: i16,
    max: i16,
    flexible: i16,
    handler: Handler,
}

const fn api(key: i16, (min, max): (i16, i16), flexible: i16, handler: Handler) -> Api {
    Api {
        key,
        min,
        max,
        flexible,
        handler,
    }
}

const API_VERSIONS: i16 = 18;

static APIS: [Api; 29] = [
    api(0, (3, 7), 9, Handler::Produce),
    api(1, (4, 11), 12, Handler::Fetch),
    api(2, (1, 5), 6, Handler::Direct(records::list_offsets)),
    api(3, (1, 8), 9, Handler::Direct(cluster::metadata)),
    api(8, (2, 7), 8, Handler::Direct(offsets::offset_commit)),
    api(9, (1, 7), 6, Handler::Direct(offsets::offset_fetch)),
    api(10, (0, 2), 3, Handler::Direct(cluster::find_coordinator)),
    api(11, (2, 4), 6, Handler::JoinGroup),
    api(12, (0, 2), 4, Handler::Direct(groups::heartbeat)),
    api(13, (0, 2), 4, Handler::Direct(groups::leave)),
    api(14, (0, 2), 4, Handler::SyncGroup),
    api(15, (0, 2), 5, Handler::Direct(groups::describe)),
    api(16, (0, 2), 3, Handler::Direct(groups::list)),
    api(
        API_VERSIONS,
        (0, 3),
        3,
        Handler::Direct(cluster::api_versions),
    ),
    api(19, (2, 4), 5, Handler::Direct(topics::create)),
    api(20, (1, 3), 4, Handler::Direct(topics::delete)),
    api(21, (0, 1), 2, Handler::Direct(records::delete_records)),
    api(22, (0, 4), 2, Handler::Direct(transactions::init_producer)),
    api(24, (0, 2), 3, Handler::Direct(transactions::add_partitions)),
    api(25, (0, 2), 3, Handler::Direct(transactions::add_offsets)),
    api(26, (0, 2), 3, Handler::Direct(transactions::end)),
    api(28, (0, 3), 3, Handler::Direct(transactions::offset_commit)),
    api(32, (1, 2), 4, Handler::Direct(configs::describe)),
    api(33, (0, 1), 2, Handler::Direct(configs::alter)),
    api(37, (0, 1), 2, Handler::Direct(topics::create_partitions)),
    api(42, (0, 1), 2, Handler::Direct(groups::delete)),
    api(44, (0, 0), 1, Handler::Direct(configs::alter_incrementally)),
    api(47, (0, 0), 1, Handler::Direct(offsets::offset_delete)),
    api(60, (0, 0), 0, Handler::Direct(cluster::describe)),
];

/// A request whose header is read.
struct Request {
    key: i16,
    /// The version of the API.
    version: i16,
    correlation: i32,
    /// What the client calls itself.
    client: String,
    body: Reader,
    encoding: Encoding,
}

impl Request {
    /// Begins the response.
    fn response(&self) -> Writer {
        // A client that does not know the versions yet could not read a flexible header.
        let header = match self.key {
            API_VERSIONS => Encoding::Classic,
            _ => self.encoding,
        };
        Writer::response(self.correlation, header, self.encoding)
    }

    /// Begins the response of an API that tells since `version` how long the client was throttled,
    /// which it never is.
    fn throttled_since(&self, version: i16) -> Writer {
        let mut response = self.response();
        if self.version >= version {
            response.i32(0);
        }
        response
    }
}

/// Reads a request and answers it, maybe later; `None` where no answer is wanted.
pub(super) async fn answer(broker: &Broker, frame: Bytes) -> Read<Option<Bytes>> {
    let mut header = Reader::new(frame, Encoding::Classic);
    let key = header.i16()?;
    let version = header.i16()?;
    let correlation = header.i32()?;
    let client = header.nullable_string()?.unwrap_or_default();
    let api = APIS.iter().find(|api| api.key == key);
    let api = api.ok_or(Malformed("an API that this broker has not"))?;
    if !(api.min..=api.max).contains(&version) {
        // The one request that comes before the client knows what there is.
        return match key {
            API_VERSIONS => Ok(Some(cluster::unsupported_version(correlation).finish())),
            _ => Err(Malformed("a version that this broker has not")),
        };
    }
    let encoding = if version >= api.flexible {
        Encoding::Flexible
    } else {
        Encoding::Classic
    };
    header.set_encoding(encoding);
    header.tags()?;
    let mut request = Request {
        key,
        version,
        correlation,
        client,
        body: header,
        encoding,
    };
    let response = match api.handler {
        Handler::Direct(handler) => Some(handler(broker, &mut request)?),
        Handler::Produce => records::produce(broker, &mut request)?,
        Handler::Fetch => Some(records::fetch(broker, &mut request).await?),
        Handler::JoinGroup => Some(groups::join(broker, &mut request).await?),
        Handler::SyncGroup => Some(groups::sync(broker, &mut request).await?),
    };
    Ok(response.map(Writer::finish))
}

/// Topics with a list of something for each, the form that most requests have.
type ByTopic<T> = Vec<(String, Vec<T>)>;

fn by_topic<T>(
    reader: &mut Reader,
    mut partition: impl FnMut(&mut Reader) -> Read<T>,
) -> Read<ByTopic<T>> {
    reader.array(|it| topic(it, &mut partition))
}

/// One topic of such a list.
fn topic<T>(
    reader: &mut Reader,
    partition: impl FnMut(&mut Reader) -> Read<T>,
) -> Read<(String, Vec<T>)> {
    let topic = (reader.string()?, reader.array(partition)?);
    reader.tags()?;
    Ok(topic)
}

/// Writes such a list.
fn write_by_topic<T>(
    writer: &mut Writer,
    topics: ByTopic<T>,
    mut partition: impl FnMut(&mut Writer, T),
) {
    writer.array(topics, |it, (topic, partitions)| {
        it.string(&topic);
        it.array(partitions, &mut partition);
        it.tags();
    });
}

/// The same list with each partition's answer.
fn map_by_topic<T, U>(topics: ByTopic<T>, mut answer: impl FnMut(&str, T) -> U) -> ByTopic<U> {
    let answers = topics.into_iter().map(|(topic, partitions)| {
        let partitions = partitions.into_iter();
        let answered = partitions.map(|it| answer(&topic, it)).collect();
        (topic, answered)
    });
    answers.collect()
}
