//! Where a partition that was taken over goes on, and how its offsets are marked in the group.
//!
//! What the target has decides, unless someone else has set the group's offset since: a person, or
//! Kafka Connect that ran the connector meanwhile. All of Ferrule's own commits are marked, and the
//! group is marked before a record is read, so that an offset without a mark is such a one.
//!
//! Where the target has none, an offset that Ferrule committed for it says that the target had at
//! least as much then, and has lost it (Invariants 1 and 6).

use connect_api::{Error, LostOffsets, Offset, OpenedPartition, Result, TargetHistory};
use connect_kafka::{CommitMark, GroupOffset};
use tracing::warn;

use crate::sink_task::write::Target;

/// What is known of a partition.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// What the sink says.
    pub opened: &'a OpenedPartition,
    /// What the group has committed.
    pub group: Option<&'a GroupOffset>,
    /// Where the sink keeps offsets, if it does.
    pub target: Option<&'a Target>,
}

/// Where a partition goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the offset that the sink has.
    Stored(Offset),
    /// At this offset, which the sink is to store.
    At(Offset),
    /// Where `auto.offset.reset` says.
    Reset,
    /// Where the log begins.
    Earliest,
}

impl Known<'_> {
    /// Where the partition goes on.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fatal`] when the target has lost its offset, and nothing says
    /// where to go on.
    pub fn start(&self) -> Result<Start> {
        if let Some(stored) = self.opened.next_offset {
            return Ok(Start::Stored(stored));
        }
        let Some(group) = self.group else {
            return Ok(Start::Reset);
        };
        match (self.target, self.marked_target()) {
            (Some(target), Some(marked)) => self.after_loss(group, target, marked),
            _ => Ok(Start::At(group.offset)),
        }
    }

    /// The target has no offset, and the group has one that was committed for a target.
    fn after_loss(&self, group: &GroupOffset, target: &Target, marked: &str) -> Result<Start> {
        let partition = &self.opened.topic_partition;
        let committed = group.offset;
        let began = self.began();
        let lost = if marked == target.name {
            "which has lost it: a standby that was behind was promoted, a backup was restored, its \
             table of offsets was dropped, or the Kafka has another cluster id now"
                .to_owned()
        } else {
            format!("and this is another one, {}", target.name)
        };
        let found = format!(
            "the group has offset {committed} of {partition}, which was committed for the target \
             {marked}, {lost}; it has no offset of the partition"
        );
        let goes_on = |start: Start, from: &str| {
            warn!(%partition, "{found}; going on from {from}");
            Ok(start)
        };
        if let (Some(began), true) = (began, marked == target.name && self.is_proven()) {
            let from = format!(
                "offset {began}, where the connector began: what it wrote is lost for certain, \
                 because the target's history branched off before"
            );
            return goes_on(Start::At(began), &from);
        }
        let key = LostOffsets::KEY;
        match (target.lost_offsets, began) {
            (LostOffsets::Group, _) => goes_on(
                Start::At(committed),
                &format!("the group's offset {committed}, by {key}=group"),
            ),
            (LostOffsets::Start, Some(began)) => goes_on(
                Start::At(began),
                &format!("offset {began}, where the connector began, by {key}=start"),
            ),
            (LostOffsets::Earliest | LostOffsets::Start, _) => goes_on(
                Start::Earliest,
                &format!("the beginning of the log, by {key}"),
            ),
            (LostOffsets::Fail, began) => {
                let began = began.map_or_else(String::new, |at| format!(" ({at})"));
                Err(Error::fatal(format!(
                    "{found}. Records would be missing if the task went on from {committed}. Set \
                     {key} to say where it goes on: earliest, start{began} for where the connector \
                     began, or group ({committed}); or stop the connector and set or reset its \
                     offsets"
                )))
            }
        }
    }

    /// Whether someone else than Ferrule has set the group's offset.
    pub fn is_unmarked(&self) -> bool {
        self.target.is_some() && self.group.is_some_and(|group| group.mark.is_none())
    }

    /// That someone else has moved the group's offset away from the target's: the task goes on from
    /// the group's. None: nobody has.
    pub fn moved(&self) -> Option<String> {
        let (stored, group) = (self.opened.next_offset?, self.group?);
        if !self.is_unmarked() || group.offset == stored {
            return None;
        }
        let partition = &self.opened.topic_partition;
        let at = group.offset;
        let becomes = match at < stored {
            true => format!("records from {at} to {} are written again", stored.0 - 1),
            false => format!(
                "records from {stored} to {} are left to whoever set it",
                at.0 - 1
            ),
        };
        Some(format!(
            "the group's offset of {partition} was set to {at} by someone else, and the target has \
             {stored}: the task goes on from {at}, {becomes}"
        ))
    }

    /// What the user should know of the target's offset; none: it is as it should be. The group may
    /// lag behind the target.
    pub fn difference(&self) -> Option<String> {
        let (stored, group) = (self.opened.next_offset?, self.group?);
        let target = self.target?;
        let partition = &self.opened.topic_partition;
        let committed = group.offset;
        let is_lost = self.marked_target() == Some(&target.name) && stored < committed;
        is_lost.then(|| {
            format!(
                "the target has offset {stored} of {partition} and had {committed}: it has lost \
                 what was behind, by a failover, a restored backup or a crash, which is written \
                 again"
            )
        })
    }

    /// How the partition's offsets are marked from now on.
    pub fn mark(&self, start: Offset) -> CommitMark {
        let former = self.group.and_then(|group| group.mark.clone());
        let mark = former.unwrap_or_default().without(&[CommitMark::ATTEMPTS]);
        let of_target = [CommitMark::TARGET, CommitMark::START, CommitMark::SINCE];
        let Some(target) = self.target else {
            return mark.without(&of_target);
        };
        let goes_on =
            self.opened.next_offset.is_some() && self.marked_target() == Some(&target.name);
        if goes_on {
            return mark;
        }
        let mark = mark
            .without(&of_target)
            .with(CommitMark::TARGET, &target.name);
        // What was stored by another version or for another connector says not where it began.
        if self.opened.next_offset.is_some() {
            return mark;
        }
        let mark = mark.with(CommitMark::START, start.0);
        match target.history {
            Some(TargetHistory {
                timeline, position, ..
            }) => mark.with(CommitMark::SINCE, format!("{timeline}/{position}")),
            None => mark,
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.group?.mark.as_ref()?.get(name)
    }

    /// The target for which the group's offset was committed.
    fn marked_target(&self) -> Option<&str> {
        self.field(CommitMark::TARGET)
    }

    /// The offset from which on the connector has written the partition.
    fn began(&self) -> Option<Offset> {
        let began = self.field(CommitMark::START)?.parse().ok()?;
        (began >= 0).then_some(Offset(began))
    }

    /// Whether the target's history branched off before it had anything of the partition.
    fn is_proven(&self) -> bool {
        let since = self.field(CommitMark::SINCE).and_then(|since| {
            let (timeline, position) = since.split_once('/')?;
            Some(TargetHistory {
                timeline: timeline.parse().ok()?,
                position: position.parse().ok()?,
                begins_at: None,
            })
        });
        let history = self.target.and_then(|target| target.history);
        since
            .zip(history)
            .is_some_and(|(since, now)| now.has_lost(since))
    }
}

#[cfg(test)]
mod tests;
