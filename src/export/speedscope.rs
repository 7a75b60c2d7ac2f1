//! speedscope's own format, as <https://www.speedscope.app/file-format-schema.json> has it: every sample in its place in
//! time, a track a thread.
//!
//! A sample lasts until the next look, as do those that show the same after it. Where a thread has none (another one had the
//! GIL, it was idle and left away, a look failed) there is a gap. All tracks begin with the first look, so that the same
//! place in two of them is the same moment; who has most samples is first.

use std::cmp::Reverse;
use std::io::{self, Write};

use hashbrown::HashMap;
use serde::Serialize;

use crate::profile::{Lines, Matcher, NodeId, Profile, Selection, Step, ThreadNo};

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";
const EXPORTER: &str = concat!("pyflame-tui ", env!("CARGO_PKG_VERSION"));

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    exporter: &'static str,
    name: String,
    active_profile_index: u32,
    shared: Shared<'a>,
    profiles: Vec<Sampled<'a>>,
}

#[derive(Serialize)]
struct Shared<'a> {
    frames: Vec<Frame<'a>>,
}

#[derive(Serialize)]
struct Frame<'a> {
    name: &'a str,
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    /// Frames, root first.
    samples: Vec<&'a [u32]>,
    weights: Vec<u64>,
}

/// Writes what a selection takes, with its times; nothing where it takes nothing.
pub fn write_speedscope(profile: &Profile, selection: &Selection, out: &mut impl Write) -> io::Result<()> {
    let mut matcher = Matcher::new(profile, selection);
    let mut tracks: HashMap<ThreadNo, Track> = HashMap::new();
    // When the last look was, and what it saw.
    let mut last = (None, Vec::new());
    let mut start = 0;
    profile.visit(profile.range(selection.span), |look| {
        if last.0.is_none() {
            start = look.at.0;
        }
        let at = look.at.0.saturating_sub(start);
        if let Some(before) = last.0.replace(at) {
            extend(&mut tracks, &mut last.1, (before, at));
        }
        last.1.extend(matcher.stacks(&look));
        Ok::<_, io::Error>(())
    })?;
    let Some(end) = last.0 else { return Ok(()) };
    let interval = profile.about().map_or(1, |about| about.interval.0);
    extend(&mut tracks, &mut last.1, (end, end + interval));
    if tracks.is_empty() {
        return Ok(());
    }
    let mut tracks: Vec<_> = tracks.into_iter().collect();
    tracks.sort_by_key(|(thread, track)| (Reverse(track.busy), *thread));
    let mut stacks = Stacks::new(profile, selection.lines);
    tracks.iter().flat_map(|(_, track)| &track.samples).for_each(|(node, _)| stacks.add(*node));
    let profiles = tracks.iter().map(|(thread, track)| Sampled {
        kind: "sampled",
        name: name(profile, *thread),
        unit: "microseconds",
        start_value: 0,
        end_value: end + interval,
        samples: track.samples.iter().map(|(node, _)| stacks.of(*node)).collect(),
        weights: track.samples.iter().map(|(_, weight)| *weight).collect(),
    });
    let file = File {
        schema: SCHEMA,
        exporter: EXPORTER,
        name: profile.about().map_or_else(String::new, |about| about.command.clone()),
        active_profile_index: 0,
        profiles: profiles.collect(),
        shared: Shared { frames: stacks.frames(profile) },
    };
    Ok(serde_json::to_writer(out, &file)?)
}

fn name(profile: &Profile, thread: ThreadNo) -> String {
    let thread = profile.thread(thread);
    format!("{} ({})", profile.full_name_of(thread), thread.id.tid)
}

/// What was seen lasted from one moment to the other.
fn extend(tracks: &mut HashMap<ThreadNo, Track>, seen: &mut Vec<(ThreadNo, NodeId)>, (from, to): (u64, u64)) {
    for (thread, node) in seen.drain(..) {
        tracks.entry(thread).or_default().add(node, from, to);
    }
}

/// What a thread did: stacks, and how long each was seen, in microseconds. [`NodeId::ROOT`] is a gap.
#[derive(Default)]
struct Track {
    samples: Vec<(NodeId, u64)>,
    until: u64,
    busy: u64,
}

impl Track {
    fn add(&mut self, node: NodeId, from: u64, to: u64) {
        // Threads that ended long ago have one track, in which there is room for one at a time.
        let from = from.max(self.until);
        if from > self.until {
            self.push(NodeId::ROOT, from - self.until);
        }
        if to > from {
            self.push(node, to - from);
            self.busy += to - from;
            self.until = to;
        }
    }

    fn push(&mut self, node: NodeId, weight: u64) {
        match self.samples.last_mut() {
            Some((last, sum)) if *last == node => *sum += weight,
            _ => self.samples.push((node, weight)),
        }
    }
}

/// Stacks as numbers of frames, each once.
struct Stacks<'a> {
    profile: &'a Profile,
    lines: Lines,
    frames: HashMap<Step, u32>,
    numbers: HashMap<NodeId, Vec<u32>>,
}

impl<'a> Stacks<'a> {
    fn new(profile: &'a Profile, lines: Lines) -> Self {
        Self { profile, lines, frames: HashMap::new(), numbers: HashMap::new() }
    }

    fn add(&mut self, node: NodeId) {
        let Self { profile, lines, frames, numbers } = self;
        numbers.entry(node).or_insert_with(|| {
            let path = profile.path(node).filter_map(|node| profile.frame(node));
            let mut stack: Vec<u32> = path
                .map(|(function, line)| {
                    let next = u32::try_from(frames.len()).unwrap_or(u32::MAX);
                    *frames.entry(Step { function, line: lines.told(line) }).or_insert(next)
                })
                .collect();
            stack.reverse();
            stack
        });
    }

    fn of(&self, node: NodeId) -> &[u32] {
        self.numbers.get(&node).map(Vec::as_slice).unwrap_or_default()
    }

    fn frames(&self, profile: &'a Profile) -> Vec<Frame<'a>> {
        let mut frames: Vec<_> = self.frames.iter().collect();
        frames.sort_unstable_by_key(|(_, number)| **number);
        let frame = |(step, _): (&Step, _)| {
            let function = profile.function(step.function);
            Frame { name: &function.name, file: &function.file, line: step.line }
        };
        frames.into_iter().map(frame).collect()
    }
}
