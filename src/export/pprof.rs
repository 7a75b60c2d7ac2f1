//! pprof's own format, gzipped, as <https://github.com/google/pprof/blob/main/proto/profile.proto> has it: each stack with how
//! often it was seen, and for how much time that stands.
//!
//! Whose a stack is stands in labels, by which pprof filters and groups (`-tagfocus`, `-tagroot`): `thread` is its name, and
//! `tid` the kernel's number for it; where processes below the one that is watched are watched, too, there are `process` and
//! `pid`. `(idle)` and `(failed)` are frames, as in folded stacks. Strings, functions and locations are written when they are
//! met first: the format leaves their order free.

use std::io::{self, BufWriter, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use hashbrown::HashMap;
use libdd_profiling_protobuf::{
    Function, Label, Line, Location, NO_OPT_ZERO, Record, Sample, StringOffset, Value, ValueType,
};

use super::escape::Escaped;
use crate::profile::{CallTree, Profile, Selection, Step, ThreadNo, Weights, Window, idle_looks};
use crate::sample::{Micros, Process};

/// The fields of pprof's `Profile`.
mod field {
    pub(super) const VALUE_TYPE: u32 = 1;
    pub(super) const SAMPLE: u32 = 2;
    pub(super) const LOCATION: u32 = 4;
    pub(super) const FUNCTION: u32 = 5;
    pub(super) const STRING: u32 = 6;
    pub(super) const TIME: u32 = 9;
    pub(super) const DURATION: u32 = 10;
    pub(super) const PERIOD_TYPE: u32 = 11;
    pub(super) const PERIOD: u32 = 12;
    pub(super) const COMMENT: u32 = 13;
}

/// A label as it stands in a sample.
type InSample = Record<Label, 3, NO_OPT_ZERO>;

/// Writes what a selection takes; nothing where it takes nothing.
pub fn write_pprof(profile: &Profile, selection: &Selection, out: &mut impl Write) -> io::Result<()> {
    let window = Window::of(profile, selection.span);
    let (idle, failed) = (idle_looks(&window, selection), window.verdicts().failed());
    let each: Vec<_> = Weights::of_each(profile, &window, selection, |thread| thread).collect();
    if each.is_empty() && idle + failed == 0 {
        return Ok(());
    }
    let interval = profile.about().map_or(Micros(1), |about| about.interval);
    let mut file = File::begin(GzEncoder::new(out, Compression::default()), interval)?;
    for (what, looks) in [("(idle)", idle), ("(failed)", failed)] {
        if looks > 0 {
            let location = file.location(what, "", None)?;
            file.sample(&[location], looks, &[])?;
        }
    }
    for (thread, weights) in each {
        let tree = CallTree::stacks_of(profile, &window, &weights, selection);
        let labels = file.labels(profile, thread)?;
        // Leaf first.
        let mut stack = Vec::new();
        for (_, leaf) in tree.calls().filter(|(_, call)| call.own > 0) {
            stack.clear();
            let mut call = leaf;
            while let Some(step) = call.step {
                stack.push(file.step(profile, step)?);
                call = tree.call(call.parent);
            }
            if !stack.is_empty() {
                file.sample(&stack, leaf.own, &labels)?;
            }
        }
    }
    if let Some(about) = profile.about() {
        let python = format!("process {}, Python {}", about.pid, about.python);
        for comment in [&about.command, &python, concat!("pyflame-tui ", env!("CARGO_PKG_VERSION"))] {
            let comment = file.string(&Escaped(comment).to_string())?;
            file.record::<_, { field::COMMENT }>(comment)?;
        }
    }
    let begun = profile.at(profile.range(selection.span).start);
    let span = begun
        .zip(window.last_at(profile))
        .map(|(begun, last)| (begun, last.0.saturating_sub(begun.0) + interval.0));
    if let Some((begun, lasted)) = span {
        file.number::<{ field::TIME }>(nanoseconds(begun.0))?;
        file.number::<{ field::DURATION }>(nanoseconds(lasted))?;
    }
    file.out.into_inner().map_err(io::IntoInnerError::into_error)?.finish().map(drop)
}

fn nanoseconds(micros: u64) -> i64 {
    i64::try_from(micros.saturating_mul(1000)).unwrap_or(i64::MAX)
}

/// A file that is being written, and the numbers of what is in it already.
struct File<W: Write> {
    /// Messages come a byte at a time.
    out: BufWriter<W>,
    /// For how long a sample stands.
    interval: Micros,
    strings: HashMap<String, StringOffset>,
    /// By name and file.
    functions: HashMap<(StringOffset, StringOffset), u64>,
    /// By function and line; a line that is not told is 0.
    locations: HashMap<(u64, u32), u64>,
    /// The same, of what is in the profile.
    steps: HashMap<Step, u64>,
}

impl<W: Write> File<W> {
    fn begin(out: W, interval: Micros) -> io::Result<Self> {
        let mut file = Self {
            out: BufWriter::new(out),
            interval,
            strings: HashMap::new(),
            functions: HashMap::new(),
            locations: HashMap::new(),
            steps: HashMap::new(),
        };
        // The first string has to be this.
        file.string("")?;
        let samples = file.value_type("samples", "count")?;
        let wall = file.value_type("wall", "nanoseconds")?;
        // What is last is shown if nothing else is asked for.
        for kind in [samples, wall] {
            file.record::<_, { field::VALUE_TYPE }>(kind)?;
        }
        file.record::<_, { field::PERIOD_TYPE }>(wall)?;
        file.number::<{ field::PERIOD }>(nanoseconds(interval.0))?;
        Ok(file)
    }

    fn record<P: Value, const FIELD: u32>(&mut self, value: P) -> io::Result<()> {
        Record::<P, FIELD, NO_OPT_ZERO>::from(value).encode(&mut self.out)
    }

    fn number<const FIELD: u32>(&mut self, number: i64) -> io::Result<()> {
        self.record::<_, FIELD>(number)
    }

    fn string(&mut self, text: &str) -> io::Result<StringOffset> {
        if let Some(number) = self.strings.get(text) {
            return Ok(*number);
        }
        let number = StringOffset::try_from(self.strings.len()).map_err(io::Error::other)?;
        self.strings.insert(text.to_owned(), number);
        self.record::<_, { field::STRING }>(text)?;
        Ok(number)
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> io::Result<ValueType> {
        Ok(ValueType { r#type: self.string(kind)?.into(), unit: self.string(unit)?.into() })
    }

    fn step(&mut self, profile: &Profile, step: Step) -> io::Result<u64> {
        if let Some(location) = self.steps.get(&step) {
            return Ok(*location);
        }
        let function = profile.function(step.function);
        let (name, path) = (Escaped(&function.name).to_string(), Escaped(&function.file).to_string());
        let location = self.location(&name, &path, step.line)?;
        self.steps.insert(step, location);
        Ok(location)
    }

    /// A line of a function, or the function where lines are not told apart.
    fn location(&mut self, name: &str, path: &str, line: Option<u32>) -> io::Result<u64> {
        let place = (self.function(name, path)?, line.unwrap_or(0));
        if let Some(location) = self.locations.get(&place) {
            return Ok(*location);
        }
        let id = self.locations.len() as u64 + 1;
        self.locations.insert(place, id);
        let line = Line { function_id: place.0.into(), lineno: i64::from(place.1).into() };
        self.record::<_, { field::LOCATION }>(Location {
            id: id.into(),
            line: line.into(),
            ..Location::default()
        })?;
        Ok(id)
    }

    fn function(&mut self, name: &str, path: &str) -> io::Result<u64> {
        let key = (self.string(name)?, self.string(path)?);
        if let Some(function) = self.functions.get(&key) {
            return Ok(*function);
        }
        let id = self.functions.len() as u64 + 1;
        self.functions.insert(key, id);
        let (name, filename) = key;
        self.record::<_, { field::FUNCTION }>(Function {
            id: id.into(),
            name: name.into(),
            system_name: name.into(),
            filename: filename.into(),
        })?;
        Ok(id)
    }

    fn labels(&mut self, profile: &Profile, thread: ThreadNo) -> io::Result<Vec<InSample>> {
        let thread = profile.thread(thread);
        let mut labels = Vec::new();
        let process = thread.process.as_ref();
        let process = process.map(|Process { pid, name }| (("process", &**name), ("pid", *pid)));
        let own = (("thread", &*profile.name_of(thread)), ("tid", thread.id.tid));
        for ((key, name), (number, value)) in process.into_iter().chain([own]) {
            if !name.is_empty() {
                let (key, str) = (self.string(key)?.into(), self.string(&Escaped(name).to_string())?.into());
                labels.push(Label { key, str, ..Label::default() }.into());
            }
            let key = self.string(number)?.into();
            labels.push(Label { key, num: i64::from(value).into(), ..Label::default() }.into());
        }
        Ok(labels)
    }

    fn sample(&mut self, stack: &[u64], weight: u64, labels: &[InSample]) -> io::Result<()> {
        let values =
            [i64::try_from(weight).unwrap_or(i64::MAX), nanoseconds(weight.saturating_mul(self.interval.0))];
        self.record::<_, { field::SAMPLE }>(Sample {
            location_ids: stack.into(),
            values: values[..].into(),
            labels,
        })
    }
}
