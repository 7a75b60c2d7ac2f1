//! Whom to ask and what to believe, without processes: looks a millisecond apart.

use std::collections::HashSet;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Threads that stand each in a stack of its own, as looks at them see it, and what the kernel would say.
struct Scene {
    states: States,
    now: Instant,
    threads: Vec<(Stack, Flags, Flags)>,
    asked: Vec<u32>,
}

impl Scene {
    /// All asleep.
    fn of(threads: usize) -> Self {
        let threads = (0..threads).map(|_| (Stack::from([]), Flags::default(), Flags::WAITING)).collect();
        Self { states: States::default(), now: Instant::now(), threads, asked: Vec::new() }
    }

    fn moves(&mut self, thread: usize) {
        self.threads[thread].0 = Stack::from([]);
    }

    /// A look a millisecond later: what is told of each thread.
    fn look(&mut self) -> Vec<Flags> {
        self.now += MS;
        let id = |place| ThreadId { tid: u32::try_from(place).unwrap(), interpreter: 0, seat: 0 };
        let sample = |(place, (stack, flags, _)): (_, &(Stack, _, _))| ThreadSample {
            thread: id(place),
            stack: Stack::clone(stack),
            flags: *flags,
        };
        let mut taken: Vec<_> = self.threads.iter().enumerate().map(sample).collect();
        let Self { states, threads, asked, .. } = self;
        asked.clear();
        states.tell(self.now, &mut taken, |thread| {
            asked.push(thread.tid);
            threads.get(thread.tid as usize).map(|(_, _, says)| *says)
        });
        taken.iter().map(|sample| sample.flags).collect()
    }
}

#[test]
fn a_word_is_told_with_the_stack_it_was_asked_for_and_no_other() {
    let mut scene = Scene::of(1);
    assert_eq!(scene.look(), [Flags::WAITING]);
    let before = scene.threads[0].clone();
    scene.moves(0);
    scene.threads[0].2 = Flags::ON_CPU;
    assert_eq!((scene.look(), scene.asked.len()), (vec![Flags::ON_CPU], 1));
    // Where it was before, it is asked about again: it has run meanwhile.
    scene.threads[0] = before;
    assert_eq!((scene.look(), scene.asked.len()), (vec![Flags::WAITING], 1));
    assert_eq!((scene.look(), scene.asked.len()), (vec![Flags::WAITING], 0));
}

#[test]
fn who_sleeps_is_seldom_asked_about_and_found_when_it_wakes() {
    let mut scene = Scene::of(1);
    let mut asked = 0;
    for _ in 0..1000 {
        assert_eq!(scene.look(), [Flags::WAITING]);
        asked += scene.asked.len();
    }
    assert!((10..=12).contains(&asked), "{asked}");
    scene.threads[0].2 = Flags::ON_CPU;
    let late = (0..1000).take_while(|_| scene.look() == [Flags::WAITING]).count();
    assert!(late <= 100, "{late} ms");
}

#[test]
fn who_runs_is_asked_about_at_once_and_then_less_often() {
    let mut scene = Scene::of(1);
    scene.threads[0].2 = Flags::ON_CPU;
    let mut asked = Vec::new();
    for ms in 0..1000 {
        assert_eq!(scene.look(), [Flags::ON_CPU]);
        asked.extend(scene.asked.iter().map(|_| ms));
    }
    assert_eq!(asked[..7], [0, 1, 2, 4, 8, 16, 32]);
    assert!(asked.len() <= 56, "{asked:?}");
    scene.threads[0].2 = Flags::WAITING;
    let late = (0..1000).take_while(|_| scene.look() == [Flags::ON_CPU]).count();
    assert!(late <= 20, "{late} ms");
    // Only a moment on a CPU: it is not told a second time.
    scene.moves(0);
    scene.threads[0].2 = Flags::ON_CPU;
    assert_eq!(scene.look(), [Flags::ON_CPU]);
    scene.threads[0].2 = Flags::WAITING;
    assert_eq!(scene.look(), [Flags::WAITING]);
}

#[test]
fn who_holds_the_gil_or_waits_for_it_is_not_asked_about() {
    let mut scene = Scene::of(2);
    scene.look();
    for (thread, flags) in scene.threads.iter_mut().zip([Flags::HOLDS_GIL, Flags::WANTS_GIL]) {
        thread.1 = flags;
    }
    assert_eq!(scene.look(), [Flags::HOLDS_GIL, Flags::WANTS_GIL]);
    assert!(scene.asked.is_empty());
    // What was said before that is over.
    scene.threads.iter_mut().for_each(|thread| thread.1 = Flags::default());
    scene.look();
    assert_eq!(scene.asked.len(), 2);
}

#[test]
fn of_a_crowd_all_come_to_their_turn_and_few_are_asked_about_at_once() {
    let mut scene = Scene::of(300);
    let mut met = HashSet::new();
    // After 50 ms one in four is somebody who was asked about before.
    for look in 0..50 + 34 {
        let told = scene.look();
        met.extend(scene.asked.iter().copied());
        assert!(scene.asked.len() == AT_ONCE || look == 83);
        let known = told.iter().filter(|flags| **flags == Flags::WAITING).count();
        assert!(known >= AT_ONCE * (look + 1).min(50), "{known} in look {look}");
    }
    assert_eq!(met.len(), 300);
    // From now on the old words stand, and one is asked about in a look, each in its turn; and those that run beside.
    scene.threads[7].2 = Flags::ON_CPU;
    let mut met = HashSet::new();
    for _ in 0..400 {
        assert!(scene.look().iter().all(|flags| *flags != Flags::default()));
        assert!(scene.asked.len() <= 2);
        met.extend(scene.asked.iter().copied());
    }
    assert_eq!(met.len(), 300);
    // Where all move in every look nobody is left out, and what was not asked is not told.
    let mut met = HashSet::new();
    for _ in 0..75 {
        (0..300).for_each(|thread| scene.moves(thread));
        let told = scene.look();
        assert_eq!(told.iter().filter(|flags| **flags != Flags::default()).count(), AT_ONCE);
        met.extend(scene.asked.iter().copied());
    }
    assert_eq!(met.len(), 300);
}

#[test]
fn what_was_heard_by_the_way_is_not_asked_for() {
    let mut scene = Scene::of(6);
    scene.states.heard = (0..6).map(|tid| (Tid(tid), Flags::ON_CPU)).collect();
    scene.states.heard.insert(Tid(0), Flags::WAITING);
    let told = scene.look();
    assert!(scene.asked.is_empty());
    assert_eq!((told[0], told[5]), (Flags::WAITING, Flags::ON_CPU));
    scene.states.begin();
    (0..6).for_each(|thread| scene.moves(thread));
    scene.look();
    assert_eq!(scene.asked.len(), AT_ONCE);
}

#[test]
fn who_has_ended_is_forgotten() {
    let mut scene = Scene::of(1);
    let mut taken = [ThreadSample {
        thread: ThreadId { tid: 9, interpreter: 0, seat: 0 },
        stack: Stack::from([]),
        flags: Flags::default(),
    }];
    scene.states.tell(scene.now, &mut taken, |_| None);
    assert!(taken[0].flags == Flags::default() && scene.states.words.is_empty());
    for tid in 0..1000 {
        taken[0].thread.tid = tid;
        taken[0].flags = Flags::default();
        scene.now += MS;
        scene.states.tell(scene.now, &mut taken, |_| Some(Flags::WAITING));
        assert!(scene.states.words.len() <= 66);
    }
}
