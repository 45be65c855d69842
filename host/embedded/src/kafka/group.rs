//! One consumer group of the classic protocol: its members, and how they rebalance.
//!
//! The phases are those of Kafka's coordinator: *joining* until all members have sent JoinGroup,
//! *syncing* until the leader has sent the assignment with SyncGroup, then *stable*. A member that
//! waits for the others holds the sending half of a channel here.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::error_code::ErrorCode;
use super::offsets::Offsets;

/// How long the first rebalance of an empty group waits for more members. Kafka's default is three
/// seconds; here the members are tasks of one process that start together.
const INITIAL_DELAY: Duration = Duration::from_millis(100);

/// The longest session that a member may ask for; Kafka's default.
const MAX_SESSION: Duration = Duration::from_mins(30);

/// Where a group is in its rebalance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Empty,
    Joining,
    Syncing,
    Stable,
}

impl Phase {
    /// Kafka's name of the state.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Joining => "PreparingRebalance",
            Self::Syncing => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What a member says when it joins.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    pub member: String,
    pub client: String,
    pub session: Duration,
    pub rebalance: Duration,
    pub protocol_type: String,
    /// Names and metadata, the preferred one first.
    pub protocols: Vec<(String, Bytes)>,
    /// Since JoinGroup version 4 (KIP-394) a new member asks for its id first.
    pub asks_for_id: bool,
}

/// What a member gets when a rebalance has all members.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Joined {
    pub generation: i32,
    pub protocol: String,
    pub leader: String,
    pub member: String,
    /// All members with their metadata; told to the leader only.
    pub members: Vec<(String, Bytes)>,
}

/// Why a member did not join, and the id that it has or is to use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct NotJoined {
    pub error: ErrorCode,
    pub member: String,
}

pub(super) type JoinOutcome = Result<Joined, NotJoined>;
pub(super) type SyncOutcome = Result<Bytes, ErrorCode>;

/// An answer that is there, or that comes when other members have done their part.
#[derive(Debug)]
pub(super) enum Answer<T> {
    Now(T),
    Later(oneshot::Receiver<T>),
}

/// A member of a group.
#[derive(Debug)]
pub(super) struct Member {
    pub client: String,
    session: Duration,
    rebalance: Duration,
    protocols: Vec<(String, Bytes)>,
    pub assignment: Bytes,
    expires: Instant,
    joining: Option<oneshot::Sender<JoinOutcome>>,
    syncing: Option<oneshot::Sender<SyncOutcome>>,
}

impl Member {
    /// What the member says under a protocol.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let mut protocols = self.protocols.iter();
        let found = protocols.find(|(name, _)| name == protocol);
        found
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    fn is_waiting(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }
}

/// When a rebalance goes on.
#[derive(Clone, Copy, Debug)]
enum JoinUntil {
    /// At this time: the group was empty and more members may come.
    Time(Instant),
    /// When all members are back, or at this time without those who are not.
    AllOr(Instant),
}

/// A consumer group.
#[derive(Debug)]
pub(super) struct Group {
    phase: Phase,
    generation: i32,
    pub protocol_type: String,
    pub protocol: String,
    leader: String,
    pub members: BTreeMap<String, Member>,
    /// Ids that were given out and have not joined, with when they are forgotten.
    invited: HashMap<String, Instant>,
    join_until: JoinUntil,
    pub offsets: Offsets,
}

impl Group {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            invited: HashMap::new(),
            join_until: JoinUntil::Time(now),
            offsets: Offsets::default(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// JoinGroup. A new member gets `new_id`.
    pub(super) fn join(
        &mut self,
        mut joining: Joining,
        new_id: String,
        now: Instant,
    ) -> Answer<JoinOutcome> {
        let refuse = |error, member| Answer::Now(Err(NotJoined { error, member }));
        if joining.session.is_zero() || joining.session > MAX_SESSION {
            return refuse(ErrorCode::InvalidSessionTimeout, joining.member);
        }
        if !self.is_compatible(&joining) {
            return refuse(ErrorCode::InconsistentGroupProtocol, joining.member);
        }
        if joining.member.is_empty() {
            if joining.asks_for_id {
                self.invited.insert(new_id.clone(), now + joining.session);
                return refuse(ErrorCode::MemberIdRequired, new_id);
            }
            joining.member = new_id;
        } else if let Some(member) = self.members.get(&joining.member) {
            let unchanged = member.protocols == joining.protocols;
            let is_leader = joining.member == self.leader;
            if unchanged
                && (self.phase == Phase::Syncing || (self.phase == Phase::Stable && !is_leader))
            {
                return Answer::Now(Ok(self.joined(&joining.member)));
            }
        } else if self.invited.remove(&joining.member).is_none() {
            return refuse(ErrorCode::UnknownMemberId, joining.member);
        }
        Answer::Later(self.rejoin(joining, now))
    }

    fn is_compatible(&self, joining: &Joining) -> bool {
        let mut others = self.members.iter().filter(|(id, _)| **id != joining.member);
        let named = !joining.protocol_type.is_empty() && !joining.protocols.is_empty();
        if others.clone().next().is_some() && joining.protocol_type != self.protocol_type {
            return false;
        }
        let mut protocols = joining.protocols.iter();
        named && protocols.any(|(name, _)| others.all(|(_, other)| other.supports(name)))
    }

    fn rejoin(&mut self, joining: Joining, now: Instant) -> oneshot::Receiver<JoinOutcome> {
        let (answer, later) = oneshot::channel();
        let known = self.members.remove(&joining.member);
        let member = Member {
            client: joining.client,
            session: joining.session,
            rebalance: joining.rebalance,
            protocols: joining.protocols,
            assignment: known.map(|it| it.assignment).unwrap_or_default(),
            expires: now + joining.session,
            joining: Some(answer),
            syncing: None,
        };
        self.protocol_type = joining.protocol_type;
        self.members.insert(joining.member, member);
        self.begin_rebalance(now);
        self.advance(now);
        later
    }

    fn begin_rebalance(&mut self, now: Instant) {
        self.join_until = match self.phase {
            Phase::Joining => return,
            Phase::Empty => JoinUntil::Time(now + INITIAL_DELAY),
            Phase::Syncing | Phase::Stable => {
                let longest = self.members.values().map(|it| it.rebalance).max();
                JoinUntil::AllOr(now + longest.unwrap_or_default())
            }
        };
        self.phase = Phase::Joining;
        for member in self.members.values_mut() {
            if let Some(answer) = member.syncing.take() {
                // A member that waits no more has closed its connection.
                let _ = answer.send(Err(ErrorCode::RebalanceInProgress));
            }
        }
    }

    /// Goes on from *joining* where it can.
    fn advance(&mut self, now: Instant) {
        if self.phase != Phase::Joining {
            return;
        }
        let all = self.invited.is_empty() && self.members.values().all(|it| it.joining.is_some());
        let goes_on = match self.join_until {
            JoinUntil::Time(time) => now >= time,
            JoinUntil::AllOr(time) => all || now >= time,
        };
        if !goes_on {
            return;
        }
        self.members.retain(|_, member| member.joining.is_some());
        self.generation += 1;
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            self.protocol.clear();
            self.leader.clear();
            return;
        }
        self.phase = Phase::Syncing;
        self.choose();
        let answers: Vec<_> = self.members.keys().map(|id| self.joined(id)).collect();
        for (member, joined) in self.members.values_mut().zip(answers) {
            member.expires = now + member.session;
            member.assignment = Bytes::new();
            if let Some(answer) = member.joining.take() {
                let _ = answer.send(Ok(joined));
            }
        }
    }

    /// Chooses the leader, the former one if it is still there, and the protocol that it likes best
    /// of those that all support.
    fn choose(&mut self) {
        if !self.members.contains_key(&self.leader) {
            self.leader = self.members.keys().next().cloned().unwrap_or_default();
        }
        let by_all = |name: &str| self.members.values().all(|it| it.supports(name));
        let protocols = self.members.get(&self.leader).map(|it| &it.protocols);
        let mut names = protocols.into_iter().flatten().map(|(name, _)| name);
        let chosen = names.find(|name| by_all(name)).cloned();
        self.protocol = chosen.unwrap_or_default();
    }

    fn joined(&self, member: &str) -> Joined {
        let all = self.members.iter();
        let all = all.map(|(id, it)| (id.clone(), it.metadata(&self.protocol)));
        Joined {
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member: member.to_owned(),
            members: if member == self.leader {
                all.collect()
            } else {
                Vec::new()
            },
        }
    }

    /// SyncGroup: the leader brings the assignments, and each member gets its own.
    pub(super) fn sync(
        &mut self,
        id: &str,
        generation: i32,
        assignments: Vec<(String, Bytes)>,
        now: Instant,
    ) -> Answer<SyncOutcome> {
        if let Err(error) = self.check(id, generation) {
            return Answer::Now(Err(error));
        }
        let is_leader = id == self.leader;
        let Some(member) = self.members.get_mut(id) else {
            return Answer::Now(Err(ErrorCode::UnknownMemberId));
        };
        member.expires = now + member.session;
        match self.phase {
            Phase::Empty | Phase::Joining => Answer::Now(Err(ErrorCode::RebalanceInProgress)),
            Phase::Stable => Answer::Now(Ok(member.assignment.clone())),
            Phase::Syncing if !is_leader => {
                let (answer, later) = oneshot::channel();
                member.syncing = Some(answer);
                Answer::Later(later)
            }
            Phase::Syncing => {
                self.assign(assignments, now);
                let own = self.members.get(id).map(|it| it.assignment.clone());
                Answer::Now(Ok(own.unwrap_or_default()))
            }
        }
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Instant) {
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.phase = Phase::Stable;
        for member in self.members.values_mut() {
            if let Some(answer) = member.syncing.take() {
                member.expires = now + member.session;
                let _ = answer.send(Ok(member.assignment.clone()));
            }
        }
    }

    /// Heartbeat.
    pub(super) fn heartbeat(
        &mut self,
        id: &str,
        generation: i32,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.check(id, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.expires = now + member.session;
        }
        match self.phase {
            Phase::Joining => Err(ErrorCode::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// LeaveGroup.
    pub(super) fn leave(&mut self, id: &str, now: Instant) -> Result<(), ErrorCode> {
        let invited = self.invited.remove(id).is_some();
        if self.members.remove(id).is_none() && !invited {
            return Err(ErrorCode::UnknownMemberId);
        }
        if !invited {
            self.begin_rebalance(now);
        }
        self.advance(now);
        Ok(())
    }

    /// Whether a member may commit offsets; one that is in no group may where nobody is in it.
    pub(super) fn check_commit(&self, id: &str, generation: i32) -> Result<(), ErrorCode> {
        if generation < 0 && id.is_empty() && self.phase == Phase::Empty {
            return Ok(());
        }
        self.check(id, generation)?;
        match self.phase {
            Phase::Syncing => Err(ErrorCode::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Whether a producer may commit offsets for a member, or for nobody in particular (KIP-447).
    pub(super) fn check_transaction(&self, id: &str, generation: i32) -> Result<(), ErrorCode> {
        if generation < 0 && id.is_empty() {
            return Ok(());
        }
        self.check(id, generation)
    }

    fn check(&self, id: &str, generation: i32) -> Result<(), ErrorCode> {
        if !self.members.contains_key(id) {
            return Err(ErrorCode::UnknownMemberId);
        }
        if generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        Ok(())
    }

    /// Forgets who has not been heard of, and ends a rebalance whose time is over. Called often.
    pub(super) fn tick(&mut self, now: Instant) {
        self.invited.retain(|_, until| *until > now);
        let before = self.members.len();
        self.members
            .retain(|_, it| it.is_waiting() || it.expires > now);
        if self.members.len() < before {
            self.begin_rebalance(now);
        }
        self.advance(now);
    }
}

#[cfg(test)]
mod tests;
