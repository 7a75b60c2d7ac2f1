//! Another process's memory, as something that can be read. What stands there is hostile input: this
//! file hands out bytes, and whoever asks must bound what it makes of them.

use std::fmt;
use std::ops::{Add, Sub};

/// An address in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(pub u64);

impl Address {
    /// The null pointer.
    pub const NULL: Self = Self(0);

    /// Is it the null pointer?
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}

impl Add<u64> for Address {
    type Output = Self;
    fn add(self, offset: u64) -> Self {
        Self(self.0.wrapping_add(offset))
    }
}

impl Sub<Address> for Address {
    type Output = u64;
    fn sub(self, other: Self) -> u64 {
        self.0.wrapping_sub(other.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A read that gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadError {
    /// Nothing is mapped there (EFAULT, EIO), or only a part of the range is.
    Unmapped(Address),
    /// It was not copied in time, from where nothing more is read.
    NotCopied(Address),
    /// The address space is gone: the process has exited, or has become another program by exec.
    Gone,
    /// The kernel does not let us (EPERM, EACCES).
    Denied,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmapped(address) => write!(f, "nothing is mapped at {address}"),
            Self::NotCopied(address) => write!(f, "what stands at {address} was not copied"),
            Self::Gone => f.write_str("the process has ended or become another program"),
            Self::Denied => f.write_str("the kernel does not permit reading its memory"),
        }
    }
}

impl std::error::Error for ReadError {}

/// Of a scattered read, bytes: a smaller gap between two ranges is better read with them, since a range costs 0.4 µs and
/// 4 KiB 0.3 µs. It is less than a page, so that it is mapped if both sides are.
pub const GAP: usize = 2048;

/// One range of a scattered read.
#[derive(Debug)]
pub struct Range<'a> {
    /// Where it starts in the target.
    pub from: Address,
    /// Where its bytes go; its length is the range's length.
    pub to: &'a mut [u8],
}

/// Memory that can be read: a live process, or a map of literals in a test.
pub trait Memory {
    /// Fills `to` from `from`; on an error `to` holds anything.
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError>;

    /// So many bytes from `from` on.
    fn array<const N: usize>(&self, from: Address) -> Result<[u8; N], ReadError>
    where
        Self: Sized,
    {
        let seen = self.view(from, &mut [0; N], |bytes| bytes.first_chunk().copied())?;
        seen.ok_or(ReadError::Unmapped(from))
    }

    /// Shows the bytes at `from`, as many as `to` has, to `see`: without copying them, where they are copied already.
    fn view<R>(&self, from: Address, to: &mut [u8], see: impl FnOnce(&[u8]) -> R) -> Result<R, ReadError>
    where
        Self: Sized,
    {
        self.read(from, to)?;
        Ok(see(to))
    }

    /// The same, with the bytes below them as far as they are copied already and come without a gap, and the address of
    /// the first. `see` says besides down to which address it has made use of them.
    fn stretch<R>(
        &self,
        from: Address,
        to: &mut [u8],
        see: impl FnOnce(&[u8], Address) -> (Address, R),
    ) -> Result<R, ReadError>
    where
        Self: Sized,
    {
        self.view(from, to, |bytes| see(bytes, from).1)
    }

    /// Fills each range, in order, in as few calls to the kernel as can be; returns how many ranges were
    /// filled whole before the first that could not be read. Other than [`ReadError::Unmapped`] is an error.
    fn read_scattered(&self, ranges: &mut [Range<'_>]) -> Result<usize, ReadError> {
        self.read_singly(ranges)
    }

    /// The same with a call for each.
    fn read_singly(&self, ranges: &mut [Range<'_>]) -> Result<usize, ReadError> {
        for (index, range) in ranges.iter_mut().enumerate() {
            match self.read(range.from, range.to) {
                Ok(()) => {}
                Err(ReadError::Unmapped(_)) => return Ok(index),
                Err(error) => return Err(error),
            }
        }
        Ok(ranges.len())
    }

    /// A little-endian 64-bit word.
    fn u64(&self, from: Address) -> Result<u64, ReadError>
    where
        Self: Sized,
    {
        self.array(from).map(u64::from_le_bytes)
    }

    /// A pointer.
    fn pointer(&self, from: Address) -> Result<Address, ReadError>
    where
        Self: Sized,
    {
        self.u64(from).map(Address)
    }

    /// A little-endian 32-bit word.
    fn u32(&self, from: Address) -> Result<u32, ReadError>
    where
        Self: Sized,
    {
        self.array(from).map(u32::from_le_bytes)
    }

    /// A byte.
    fn u8(&self, from: Address) -> Result<u8, ReadError>
    where
        Self: Sized,
    {
        self.array(from).map(|[byte]| byte)
    }
}
