//! Each cause of a refusal from its facts, and what is said of it where.

use super::*;

/// User 1000 on a machine without Yama, asking for a process of its own that could well be traced.
fn facts() -> Denied {
    Denied {
        our_user: 1000,
        their_users: [Some(1000); 3],
        we_may_have_capability: true,
        dumpable: Some(true),
        same_user_namespace: Some(true),
        ..Denied::default()
    }
}

fn root() -> Denied {
    Denied { our_user: 0, their_users: [Some(0); 3], dumpable: None, ..facts() }
}

#[test]
fn each_cause_is_told_from_its_facts() {
    let other = Denied { their_users: [Some(0); 3], ..facts() };
    assert_eq!(Cause::of(&other), Cause::OtherUser { theirs: 0, ours: 1000 });
    // A set-uid program keeps its starter's real user.
    let set_uid = Denied { their_users: [Some(1000), Some(0), Some(0)], ..facts() };
    assert_eq!(Cause::of(&set_uid), Cause::OtherUser { theirs: 0, ours: 1000 });
    assert_eq!(Cause::of(&Denied { yama_scope: Some(1), ..facts() }), Cause::Yama(1));
    assert_eq!(Cause::of(&Denied { yama_scope: Some(2), ..facts() }), Cause::Yama(2));
    assert_eq!(Cause::of(&Denied { yama_scope: Some(3), ..facts() }), Cause::YamaForbids);
    assert_eq!(Cause::of(&Denied { yama_scope: Some(3), ..root() }), Cause::YamaForbids);
    assert_eq!(Cause::of(&Denied { dumpable: Some(false), ..facts() }), Cause::NotDumpable);
    assert_eq!(Cause::of(&Denied { same_user_namespace: Some(false), ..facts() }), Cause::UserNamespace);
    assert_eq!(Cause::of(&Denied { seccomp: 2, ..facts() }), Cause::Seccomp);
    assert_eq!(Cause::of(&facts()), Cause::Unknown);
}

#[test]
fn root_is_refused_for_other_reasons() {
    assert_eq!(
        Cause::of(&Denied { we_may_have_capability: false, yama_scope: Some(1), ..root() }),
        Cause::CapabilityWithheld
    );
    assert_eq!(Cause::of(&Denied { their_users: [Some(1000); 3], ..root() }), Cause::CapabilityDropped);
    // Root's own process, which needs no capability: it is the filter.
    assert_eq!(Cause::of(&Denied { we_may_have_capability: false, seccomp: 2, ..root() }), Cause::Seccomp);
    let able = Denied { we_have_capability: true, ..root() };
    assert_eq!(Cause::of(&able), Cause::SecurityModule);
    assert_eq!(Cause::of(&Denied { seccomp: 2, ..able.clone() }), Cause::Seccomp);
    assert_eq!(Cause::of(&Denied { same_user_namespace: Some(false), ..able.clone() }), Cause::UserNamespace);
    // The link that would tell may not be read just because it is refused.
    let nested = Denied { same_user_namespace: None, in_user_namespace: true, ..able };
    assert_eq!(Cause::of(&nested), Cause::UserNamespace);
}

#[test]
fn of_two_causes_the_one_that_the_kernel_comes_to_first() {
    let both = Denied { their_users: [Some(0); 3], yama_scope: Some(1), seccomp: 2, ..facts() };
    assert_eq!(Cause::of(&both), Cause::OtherUser { theirs: 0, ours: 1000 });
    let both = Denied { dumpable: Some(false), yama_scope: Some(1), ..facts() };
    assert_eq!(Cause::of(&both), Cause::NotDumpable);
    let both = Denied { yama_scope: Some(2), seccomp: 2, ..facts() };
    assert_eq!(Cause::of(&both), Cause::Yama(2));
}

#[test]
fn the_cure_is_one_command_where_we_are() {
    let on = |container, host: &str, facts: Denied| {
        explain(7, &Denied { container, host: host.to_owned(), ..facts })
    };
    let yama = Denied { yama_scope: Some(1), ..facts() };
    assert_eq!(
        explain(7, &yama),
        "kernel.yama.ptrace_scope is 1: only root may trace what it has not started itself. \
         Run: sudo pyflame-tui 7"
    );
    let stuck = explain(7, &Denied { no_new_privileges: true, ..yama.clone() });
    assert!(stuck.contains("no_new_privs") && stuck.contains("ptrace_scope is 1"), "{stuck}");
    let withheld = Denied { we_may_have_capability: false, ..root() };
    assert!(explain(7, &withheld).ends_with("systemd-run --pty pyflame-tui 7"));
    let docker = on(Container::Docker, "0123456789ab", withheld.clone());
    assert!(
        docker.contains("docker exec --user root --privileged -it 0123456789ab pyflame-tui 7"),
        "{docker}"
    );
    assert!(docker.contains("--cap-add SYS_PTRACE"), "{docker}");
    // A host's name that is no number may be anything.
    let named = on(Container::Docker, "web", withheld.clone());
    assert!(named.contains("-it CONTAINER pyflame-tui 7"), "{named}");
    assert!(on(Container::Podman, "", yama).contains("podman exec"));
    let pod = on(Container::Kubernetes, "web-5d9", withheld);
    assert!(pod.contains("kubectl debug -it web-5d9 --target=CONTAINER --profile=general"), "{pod}");
    assert!(on(Container::Other, "", facts()).contains("outside of the container"));
    // There is none.
    let never = explain(7, &Denied { yama_scope: Some(3), ..root() });
    assert!(never.ends_with("until it is started anew."), "{never}");
}
