//! What was measured: one store of samples, and every view a pure function of it and of a selection.
//!
//! [`Profile`] takes in the sampler's events. A [`Selection`] says which part is meant. What is
//! drawn often is built in two steps: a [`Window`] counts what lies in a span of time and follows
//! it cheaply, and [`CallTree`], [`Top`], [`Heat`] and the thread list are read off a window. A
//! [`Timeline`] keeps the same in steps of time, and [`AutoWindow`] finds in it when things changed.
//! Nothing here knows a screen, a file or a clock.

mod change;
mod columns;
mod contrast;
mod diff;
mod frames;
mod heat;
mod matcher;
mod places;
mod prune;
mod segment;
mod selection;
mod stacks;
mod store;
mod thinned;
mod threads;
mod timeline;
mod top;
mod tree;
mod trend;
mod varint;
mod verdicts;
mod weights;
mod window;

pub use change::{AutoWindow, Change, find_change};
pub use columns::{Look, LookSeen};
pub use diff::Diff;
pub use frames::{Ends, Frames};
pub use heat::{Caller, Heat, LineHeat, callers, look_closer};
pub use matcher::Matcher;
pub use places::{Origin, is_plumbing, origin, package};
pub use selection::{Direction, Grouping, Idle, Lines, Selection, Span, Step, Threads, Who};
pub use stacks::{FunctionId, NodeId};
pub use store::{Mark, MarkKind, Profile};
pub use threads::{Spot, State, Thread, ThreadNo, ThreadRow, thread_rows};
pub use timeline::{Bucket, Timeline};
pub use top::{Top, TopRow};
pub use tree::{Call, CallId, CallTree, idle_looks};
pub use trend::Trend;
pub use verdicts::{Verdicts, Went};
pub use weights::Weights;
pub use window::{Window, share_error};
