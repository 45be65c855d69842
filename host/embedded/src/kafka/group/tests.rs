//! The group's rebalances, with a clock of the tests' own.

use super::*;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

fn joining(member: &str, protocols: &[&str]) -> Joining {
    let metadata = |name: &&str| ((*name).to_owned(), Bytes::from(format!("{member}:{name}")));
    Joining {
        member: member.to_owned(),
        client: "client".to_owned(),
        session: SESSION,
        rebalance: REBALANCE,
        protocol_type: "consumer".to_owned(),
        protocols: protocols.iter().map(metadata).collect(),
        asks_for_id: true,
    }
}

/// Joins as a client does: it asks for its id first.
fn join(group: &mut Group, id: &str, now: Instant) -> oneshot::Receiver<JoinOutcome> {
    match group.join(joining("", &["range"]), id.to_owned(), now) {
        Answer::Now(Err(refused)) => assert_eq!(
            (refused.error, refused.member.as_str()),
            (ErrorCode::MemberIdRequired, id)
        ),
        other => panic!("{other:?}"),
    }
    rejoin(group, id, now)
}

fn rejoin(group: &mut Group, id: &str, now: Instant) -> oneshot::Receiver<JoinOutcome> {
    match group.join(joining(id, &["range"]), "unused".to_owned(), now) {
        Answer::Later(answer) => answer,
        Answer::Now(other) => panic!("{other:?}"),
    }
}

fn joined(answer: &mut oneshot::Receiver<JoinOutcome>) -> Joined {
    answer.try_recv().expect("an answer").expect("joined")
}

fn refused(answer: Answer<JoinOutcome>) -> ErrorCode {
    match answer {
        Answer::Now(Err(refused)) => refused.error,
        other => panic!("{other:?}"),
    }
}

fn assignments(ids: &[&str]) -> Vec<(String, Bytes)> {
    let own = |id: &&str| ((*id).to_owned(), Bytes::from(format!("for {id}")));
    ids.iter().map(own).collect()
}

/// A stable group of `a`, its leader, and `b`.
fn stable(now: Instant) -> (Group, Instant) {
    let mut group = Group::new(now);
    let mut first = join(&mut group, "a", now);
    let mut second = join(&mut group, "b", now);
    let now = now + INITIAL_DELAY;
    group.tick(now);
    let (first, second) = (joined(&mut first), joined(&mut second));
    assert_eq!((first.leader.as_str(), first.members.len()), ("a", 2));
    assert_eq!((second.leader.as_str(), second.members.len()), ("a", 0));
    let Answer::Later(mut waiting) = group.sync("b", 1, Vec::new(), now) else {
        panic!("a follower waits for the leader");
    };
    match group.sync("a", 1, assignments(&["a", "b"]), now) {
        Answer::Now(own) => assert_eq!(own, Ok(Bytes::from("for a"))),
        Answer::Later(_) => panic!("the leader does not wait"),
    }
    assert_eq!(waiting.try_recv(), Ok(Ok(Bytes::from("for b"))));
    assert_eq!(group.phase(), Phase::Stable);
    (group, now)
}

#[test]
fn members_that_start_together_make_one_generation() {
    let (mut group, now) = stable(Instant::now());
    assert_eq!(group.generation, 1);
    assert_eq!(group.heartbeat("b", 1, now), Ok(()));
    assert_eq!(
        group.heartbeat("b", 0, now),
        Err(ErrorCode::IllegalGeneration)
    );
    assert_eq!(
        group.heartbeat("c", 1, now),
        Err(ErrorCode::UnknownMemberId)
    );
}

#[test]
fn a_new_member_makes_the_others_join_again() {
    let (mut group, now) = stable(Instant::now());
    let mut third = join(&mut group, "c", now);
    let told = group.heartbeat("a", 1, now);
    assert_eq!(told, Err(ErrorCode::RebalanceInProgress));
    let mut first = rejoin(&mut group, "a", now);
    assert!(third.try_recv().is_err(), "b is not back yet");
    let _second = rejoin(&mut group, "b", now);
    assert_eq!(joined(&mut first).generation, 2);
    assert_eq!(joined(&mut third).members, []);
    assert_eq!(group.phase(), Phase::Syncing);
    assert_eq!(
        group.check_commit("a", 2),
        Err(ErrorCode::RebalanceInProgress)
    );
}

#[test]
fn who_does_not_come_back_is_left_out() {
    let (mut group, now) = stable(Instant::now());
    let mut third = join(&mut group, "c", now);
    let mut alive = now;
    while alive < now + REBALANCE {
        assert!(third.try_recv().is_err(), "a and b have time");
        for id in ["a", "b"] {
            let told = group.heartbeat(id, 1, alive);
            assert_eq!(told, Err(ErrorCode::RebalanceInProgress));
        }
        alive += SESSION / 2;
        group.tick(alive);
    }
    let third = joined(&mut third);
    assert_eq!((third.leader.as_str(), third.members.len()), ("c", 1));
    assert_eq!(
        group.heartbeat("a", 1, alive),
        Err(ErrorCode::UnknownMemberId)
    );
}

#[test]
fn a_member_that_is_silent_or_leaves_is_missed() {
    let (mut group, now) = stable(Instant::now());
    group.heartbeat("a", 1, now + SESSION / 2).expect("stable");
    group.tick(now + SESSION);
    assert_eq!(group.members.keys().collect::<Vec<_>>(), ["a"]);
    let mut first = rejoin(&mut group, "a", now + SESSION);
    assert_eq!(joined(&mut first).generation, 2);
    assert_eq!(group.leave("a", now + SESSION), Ok(()));
    assert_eq!((group.phase(), group.members.len()), (Phase::Empty, 0));
    assert_eq!(group.leave("a", now), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn a_leader_that_dies_in_the_rebalance_is_replaced() {
    let (mut group, now) = stable(Instant::now());
    let mut first = rejoin(&mut group, "a", now);
    let _second = rejoin(&mut group, "b", now);
    joined(&mut first);
    let Answer::Later(mut waiting) = group.sync("b", 2, Vec::new(), now) else {
        panic!("a follower waits for the leader");
    };
    group.tick(now + SESSION);
    assert_eq!(waiting.try_recv(), Ok(Err(ErrorCode::RebalanceInProgress)));
    let mut second = rejoin(&mut group, "b", now + SESSION);
    assert_eq!(joined(&mut second).leader, "b");
}

#[test]
fn an_unchanged_follower_that_joins_again_changes_nothing() {
    let (mut group, now) = stable(Instant::now());
    match group.join(joining("b", &["range"]), "unused".to_owned(), now) {
        Answer::Now(Ok(joined)) => assert_eq!((joined.generation, joined.members.len()), (1, 0)),
        other => panic!("{other:?}"),
    }
    assert_eq!(group.phase(), Phase::Stable);
    let changed = group.join(joining("b", &["sticky", "range"]), "unused".to_owned(), now);
    assert!(matches!(changed, Answer::Later(_)));
    assert_eq!(group.phase(), Phase::Joining);
}

#[test]
fn the_protocol_is_one_that_all_support() {
    let now = Instant::now();
    let mut group = Group::new(now);
    for (id, protocols) in [("a", &["sticky", "range"][..]), ("b", &["range", "other"])] {
        group.invited.insert(id.to_owned(), now + SESSION);
        let answer = group.join(joining(id, protocols), "unused".to_owned(), now);
        assert!(matches!(answer, Answer::Later(_)), "{answer:?}");
    }
    let odd = group.join(joining("", &["sticky"]), "c".to_owned(), now);
    assert_eq!(refused(odd), ErrorCode::InconsistentGroupProtocol);
    group.tick(now + INITIAL_DELAY);
    assert_eq!(group.protocol, "range");
}

#[test]
fn who_was_not_asked_in_does_not_join() {
    let now = Instant::now();
    let mut group = Group::new(now);
    let unknown = group.join(joining("x", &["range"]), "unused".to_owned(), now);
    assert_eq!(refused(unknown), ErrorCode::UnknownMemberId);
    let mut forever = joining("", &["range"]);
    forever.session = MAX_SESSION + SESSION;
    let forever = group.join(forever, "unused".to_owned(), now);
    assert_eq!(refused(forever), ErrorCode::InvalidSessionTimeout);
}

#[test]
fn only_members_commit_while_there_are_any() {
    let (group, now) = stable(Instant::now());
    assert_eq!(group.check_commit("a", 1), Ok(()));
    assert_eq!(
        group.check_commit("a", 0),
        Err(ErrorCode::IllegalGeneration)
    );
    assert_eq!(group.check_commit("", -1), Err(ErrorCode::UnknownMemberId));
    assert_eq!(group.check_transaction("", -1), Ok(()));
    assert_eq!(
        group.check_transaction("a", 0),
        Err(ErrorCode::IllegalGeneration)
    );
    assert_eq!(Group::new(now).check_commit("", -1), Ok(()));
}
