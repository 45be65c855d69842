//! The metadata of a group's offset: whoever commits one may write anything there.

use connect_kafka::CommitMark;

use crate::Target;
use crate::parts::Parts;

/// The fields that are Ferrule's own, and stay.
const OWN: [&str; 4] = [
    CommitMark::TARGET,
    CommitMark::START,
    CommitMark::SINCE,
    CommitMark::ATTEMPTS,
];
/// The longest value of an own field that anything of Ferrule's writes, and more.
const LONGEST: usize = 100;

pub(super) const TARGET: Target = Target {
    name: "mark",
    about: "A metadata, NUL, and the value of a field: it is no mark, or one that is written short and \
            read again with what is Ferrule's, and with the field that was set",
    memory: 512,
    run: |data| {
        let mut parts = Parts::new(data);
        let Some(mark) = parts.text().and_then(CommitMark::read) else {
            return;
        };
        again(&mark);
        let Some(value) = parts.text().filter(|value| value.len() <= LONGEST) else {
            return;
        };
        for field in OWN {
            let set = mark.clone().with(field, value);
            let kept = value.split_ascii_whitespace().next().unwrap_or_default();
            assert_eq!(set.get(field), Some(kept));
            again(&set);
            assert_eq!(again(&set.without(&[field])).get(field), None);
        }
    },
};

/// What is read of a mark that was written.
fn again(mark: &CommitMark) -> CommitMark {
    let text = mark.to_string();
    assert!(text.len() <= 1024, "{text}");
    let Some(read) = CommitMark::read(&text) else {
        panic!("written, and no mark: {text}");
    };
    let is_short = |field: &&str| mark.get(field).is_none_or(|value| value.len() <= LONGEST);
    if OWN.iter().all(is_short) {
        for field in OWN {
            assert_eq!(read.get(field), mark.get(field), "{text}");
        }
    }
    read
}
