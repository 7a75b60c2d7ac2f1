//! Everything that can happen to the screen, and everything the screen can ask of the world. What
//! happens is an [`Action`] and goes through `update`; what `update` cannot do itself, because it
//! touches a file, the terminal or the sampler, it gives back as an [`Effect`].

use std::path::PathBuf;

use crossterm::event::KeyEvent;

use super::keys::Pane;
use super::source::Text;
use crate::export::Format;
use crate::profile::Grouping;
use crate::sample::{Event, Micros};

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the sibling before; back in time.
    Left,
    /// To the sibling behind; on in time.
    Right,
    /// To the caller; the row before.
    Up,
    /// To the callee; the next row.
    Down,
}

/// Everything that changes the screen. The first part comes from keys, by the table; the second
/// from the mouse and from typing; the third from the world.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the table of keys has a sentence for each")]
pub enum Action {
    Move(Direction),
    First,
    Last,
    RowStart,
    RowEnd,
    PageUp,
    PageDown,
    Enter,
    Back,
    ResetZoom,
    Freeze,
    Invert,
    Idle,
    Holders,
    Tasks,
    Frames,
    Lines,
    ThisThread,
    AllThreads,
    Sort,
    ShowSource,
    Shorter,
    Longer,
    Span,
    SinceStart,
    Forget,
    Find,
    NextMatch,
    PreviousMatch,
    SameFunction,
    KeepMatches,
    Focus(Pane),
    NextPane,
    PreviousPane,
    Export,
    ExportAs,
    Save,
    Copy,
    Faster,
    Slower,
    Mouse,
    Suspend,
    TakeKeys,
    Palette,
    Help,
    HelpAll,
    Another(Other),
    Quit,

    /// A key for the command.
    Send(KeyEvent),
    /// A character for the line that is being typed.
    Type(char),
    /// Take the last character back.
    Erase,
    /// Take the whole line back.
    EraseAll,
    /// The typed line is done.
    Accept,
    /// Select the flame's box at this row and column of the flame.
    PickBox {
        row: usize,
        column: u16,
    },
    /// Select the row of this pane's list.
    PickRow(Pane, usize),
    /// Scroll this pane by so many rows.
    Scroll(Pane, i32),
    /// A span was dragged on the timeline: the moments at which its first and its last column begin.
    Drag {
        from: Micros,
        to: Micros,
        done: bool,
    },

    /// The sampler said something.
    Sampled(Event),
    /// The sampler's thread is gone without a last word.
    Silent,
    /// The command wrote this to its terminal.
    Output(Box<[u8]>),
    /// Time has passed; this is now, since the epoch.
    Now(Micros),
    /// The screen has this many columns and rows.
    Resized(u16, u16),
    /// A source file was read, or could not be.
    Read(Box<str>, Result<Text, String>),
    /// An effect has this to say to the person.
    Said(Note),
}

/// A sentence at the foot of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The sentence.
    pub text: String,
    /// What was asked for did not happen.
    pub failed: bool,
}

impl Note {
    /// It went well.
    pub fn good(text: impl Into<String>) -> Self {
        Self { text: text.into(), failed: false }
    }

    /// It did not.
    pub fn bad(text: impl Into<String>) -> Self {
        Self { text: text.into(), failed: true }
    }
}

/// Who is to be watched instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// A process that somebody chooses.
    Chosen,
    /// The same, with the Pythons below it, or without them again.
    Family,
}

/// What is left by who leaves the viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The program.
    Program,
    /// Only what was watched.
    Process(Other),
}

/// What the screen asks of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Leave.
    Quit,
    /// Leave what is watched for something else.
    Another(Other),
    /// Give the terminal back, stop, and come back when told to go on.
    Suspend,
    /// Put this on the person's clipboard.
    Copy(String),
    /// Write what is selected.
    Write {
        /// As this.
        format: Format,
        /// With each stack below its thread, or not.
        grouping: Grouping,
        /// To this file, or to one of a name of its own.
        file: Option<PathBuf>,
        /// With the screen as text beside it.
        with_picture: bool,
    },
    /// Read this file of the target.
    Read(Box<str>),
    /// Open this file of the target at this line.
    Edit(Box<str>, u32),
    /// Say this to the command.
    Tell(Vec<u8>),
    /// Give the command's terminal so many columns and rows.
    ResizeCommand(u16, u16),
    /// Take the mouse, or give it back.
    Mouse(bool),
    /// Read asyncio's tasks, too, or no longer.
    Tasks(bool),
}
