//! Where to run, on machines and beside targets of several kinds, without any of them.

use super::*;

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn window(stop: u64, own: u64, together: u32, cpu: u32) -> Window {
    Window {
        looks: 100,
        stop: micros(stop),
        waited: micros(stop / 2),
        own: micros(own),
        lasted: micros(100_000),
        asked: 12,
        together,
        cpu: Some(cpu),
        ..Window::default()
    }
}

/// Runs for so many windows on a machine where a look with the target and one apart measure so; how many were
/// spent with it.
fn run(policy: &mut Policy, windows: u32, with: Window, apart: Window) -> u32 {
    let mut together = 0;
    for _ in 0..windows {
        together += u32::from(policy.is_with());
        policy.judge(if policy.is_with() { &with } else { &apart });
    }
    together
}

#[test]
fn goes_where_the_target_is_when_another_cpu_is_far() {
    let mut policy = Policy::new(2, Why::Cost);
    let together = run(&mut policy, 1000, window(12, 25, 12, 1), window(55, 30, 0, 1));
    assert!(together > 900, "{together}");
    assert_eq!(policy.place, Place::With(1));
}

#[test]
fn what_is_plainly_dearer_is_tried_for_one_window() {
    // The first window tells nothing. There are trials after 0, 50, 150, 350 and 750 more.
    let mut policy = Policy::new(2, Why::Cost);
    policy.meet(1);
    let together = run(&mut policy, 1000, window(12, 70, 12, 1), window(120, 60, 0, 1));
    assert_eq!(1000 - together, 5);
    let mut policy = Policy::new(2, Why::Cost);
    policy.meet(1);
    let together = run(&mut policy, 1000, window(12, 70, 12, 1), window(70, 60, 0, 1));
    assert!(1000 - together > 8, "{together}");
    // The other way round a burst of noise must not decide: every window on its CPU is followed by another one.
    let mut policy = Policy::new(2, Why::Cost);
    assert_eq!(run(&mut policy, 1000, window(12, 70, 12, 1), window(6, 20, 0, 1)), 10);
    let mut policy = Policy::new(2, Why::Cost);
    policy.meet(1);
    run(&mut policy, 1, window(12, 70, 12, 1), window(120, 60, 0, 1));
    policy.judge(&Window { late: 30, ..window(300, 600, 12, 1) });
    assert!(policy.is_trying_elsewhere());
    run(&mut policy, 2, window(12, 70, 12, 1), window(120, 60, 0, 1));
    assert_eq!((policy.place, policy.is_trying_elsewhere()), (Place::With(1), false));
    assert_eq!(run(&mut policy, 40, window(12, 70, 12, 1), window(120, 60, 0, 1)), 40);
    // Cheaper, but late.
    let late = |late, apart| {
        let mut policy = Policy::new(2, Why::Cost);
        let with = Window { late, ..window(12, 25, 12, 0) };
        run(&mut policy, 1000, with, window(apart, 30, 0, 0))
    };
    assert_eq!((late(30, 90), late(15, 20)), (10, 10));
    assert!(late(15, 90) > 900);
}

#[test]
fn stays_away_where_the_way_is_short() {
    let mut policy = Policy::new(64, Why::Cost);
    let together = run(&mut policy, 1000, window(6, 20, 12, 3), window(8, 20, 0, 3));
    assert!(together < 20, "{together}");
    assert_eq!(policy.place, Place::Anywhere);
}

#[test]
fn what_is_noticed_is_taken_where_nobody_misses_it() {
    let run = |looks, idle, (stop, lost)| {
        let mut policy = Policy::new(2, Why::Cost);
        policy.meet(1);
        let with = Window { looks, idle: micros(idle), ..window(12, 22, 12, 1) };
        let apart = Window { looks, waited: micros(5), lost: Some(micros(lost)), ..window(stop, 41, 0, 1) };
        run(&mut policy, 1000, with, apart)
    };
    // Ten thousand looks a second, and a CPU that has nothing to do.
    assert!(run(1000, 98_000, (20, 16)) < 50);
    // What the kernel counts is not all that a stop costs.
    assert!(run(1000, 98_000, (22, 18)) > 950);
    // Somebody else wants it.
    assert!(run(1000, 50_000, (20, 16)) > 950);
    // A thousand looks a second.
    assert!(run(100, 98_000, (20, 16)) > 950);
    // It is dear to wake the target's CPU up. Who sleeps loses nothing by that.
    assert!(run(1000, 98_000, (40, 45)) > 950);
    assert!(run(1000, 98_000, (16, 80)) < 50);
}

#[test]
fn follows_a_target_that_moves_and_gives_way_to_one_that_hops() {
    let mut policy = Policy::new(2, Why::Cost);
    run(&mut policy, 20, window(12, 25, 12, 0), window(55, 30, 0, 0));
    assert_eq!(policy.place, Place::With(0));
    // It went to another CPU at the end of a window.
    assert_eq!(policy.judge(&window(12, 25, 11, 1)), Place::With(1));
    // It is elsewhere every other time.
    assert_eq!(policy.judge(&window(40, 25, 6, 0)), Place::Anywhere);
    let together = run(&mut policy, 1000, window(40, 25, 6, 0), window(55, 30, 0, 1));
    assert!(together < 20, "{together}");
}

#[test]
fn comes_back_when_the_machine_has_changed() {
    let mut policy = Policy::new(2, Why::Cost);
    run(&mut policy, 600, window(6, 20, 12, 0), window(8, 20, 0, 0));
    assert_eq!(policy.place, Place::Anywhere);
    run(&mut policy, 600, window(12, 25, 12, 0), window(55, 30, 0, 0));
    assert_eq!(policy.place, Place::With(0));
}

#[test]
fn gives_way_where_looks_would_be_late() {
    let mut policy = Policy::new(2, Why::Cost);
    let late = Window { late: 30, ..window(12, 25, 12, 0) };
    run(&mut policy, 20, late, window(55, 30, 0, 0));
    assert_eq!(policy.place, Place::Anywhere);
}

#[test]
fn begins_with_the_target_and_tries_the_rest_later_if_that_is_cheap() {
    let mut policy = Policy::new(2, Why::Cost);
    assert_eq!(policy.meet(1), Place::With(1));
    assert_eq!(policy.meet(0), Place::With(0));
    let places: Vec<_> = (0..120).map(|_| policy.judge(&window(6, 20, 12, 0))).collect();
    assert!(places[..50].iter().all(|place| *place == Place::With(0)));
    assert!(places.contains(&Place::Apart(0)));
    let mut dear = Policy::new(2, Why::Cost);
    dear.meet(1);
    run(&mut dear, 20, window(6, 90, 12, 1), window(30, 30, 0, 1));
    assert_eq!(dear.place, Place::Anywhere);
    assert_eq!(dear.meet(0), Place::Anywhere);
    assert_eq!(Policy::new(1, Why::Cost).meet(0), Place::Anywhere);
}

#[test]
fn stays_at_any_cost_where_nothing_may_be_stopped_and_little_is_proven() {
    let mut policy = Policy::new(2, Why::Success);
    policy.meet(1);
    let elsewhere = Window { unstopped: 100, at_once: 60, ..window(0, 30, 0, 1) };
    let together = run(&mut policy, 1000, window(6, 90, 12, 1), elsewhere);
    assert!((990..1000).contains(&together), "{together}");
    // It goes on after one that hops, unless that need not be.
    let hops = window(6, 90, 6, 0);
    let looks = |at_once| Window { unstopped: 50, at_once, ..hops };
    assert_eq!(policy.judge(&looks(5)), Place::With(0));
    assert_eq!(policy.judge(&looks(49)), Place::Anywhere);
}

#[test]
fn leaves_the_target_alone_where_its_stacks_are_proven_from_afar() {
    let mut policy = Policy::new(2, Why::Success);
    policy.meet(1);
    let elsewhere = Window { unstopped: 100, at_once: 95, ..window(0, 30, 0, 1) };
    assert!(run(&mut policy, 1000, window(6, 90, 12, 1), elsewhere) < 60);
    // Until they no longer are.
    policy.judge(&Window { at_once: 80, ..elsewhere });
    assert_eq!(policy.place, Place::With(1));
}

#[test]
fn has_no_choice_with_one_cpu_or_without_knowing() {
    let mut policy = Policy::new(1, Why::Cost);
    assert_eq!(run(&mut policy, 100, window(1, 1, 12, 0), window(55, 30, 0, 0)), 0);
    let mut policy = Policy::new(2, Why::Cost);
    let blind = Window { cpu: None, ..window(55, 30, 0, 0) };
    assert_eq!(run(&mut policy, 100, blind, blind), 0);
}

#[test]
fn a_window_in_which_we_did_not_run_is_no_trial() {
    let (with, apart) = (window(12, 25, 12, 1), window(55, 30, 0, 1));
    let stood = |window| Window { stood: true, late: 5000, ..window };
    let mut policy = Policy::new(2, Why::Cost);
    policy.meet(1);
    run(&mut policy, 100, stood(with), stood(apart));
    assert_eq!((policy.place, policy.chose), (Place::With(1), None));
    // In the middle of a trial, too.
    run(&mut policy, 1, with, apart);
    policy.judge(&Window { late: 30, ..window(300, 600, 12, 1) });
    assert!(policy.is_trying_elsewhere());
    run(&mut policy, 100, stood(with), stood(Window { lost: Some(Duration::ZERO), ..apart }));
    assert!(policy.is_trying_elsewhere());
    run(&mut policy, 3, with, apart);
    assert_eq!((policy.place, policy.chose), (Place::With(1), Some(true)));
}
