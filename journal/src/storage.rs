//! The disk, seen through a keyhole: everything that must survive the machine goes through here, so
//! that a test can make any of it fail, tear or vanish.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, FallocateFlags, OFlags};

/// Files that survive the machine. [`Disk`] is the real one.
pub trait Storage: Send + Sync + std::fmt::Debug {
    /// Makes a file of `bytes` zeroes with its space reserved, so that no later write of it can find
    /// the disk full. The file and its name are durable on return. What a failed call left behind
    /// under that name is replaced.
    ///
    /// # Errors
    ///
    /// Those of the operating system; [`io::ErrorKind::StorageFull`] if there is no room.
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()>;

    /// Opens a file for writing.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Opens a file for writes of whole blocks alone: their offset, their length and their place in memory
    /// are multiples of [`BLOCK_BYTES`]. That may go past the kernel's cache.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn open_blocks(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.open(path)
    }

    /// Removes a file; that is durable on return.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file that is synced another name in its folder, in place of what had that name; that is
    /// durable on return.
    ///
    /// # Errors
    ///
    /// Those of the operating system; which of the names it then has is not known.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// A number that nobody had before: the name of a new log.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn unique(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        File::open(UNIQUE_FROM)?.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// Where unique numbers come from.
pub(crate) const UNIQUE_FROM: &str = "/dev/urandom";

/// A file of a [`Storage`], open for writing.
pub trait StorageFile: Send + std::fmt::Debug {
    /// Writes all of `bytes` at `offset`; not durable before [`StorageFile::sync_data`].
    ///
    /// # Errors
    ///
    /// Those of the operating system; what the file then holds is not known.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Writes all of `first` at `offset` and all of `then` behind it, if it can by one call. One thread at a time: it may use
    /// the file's position.
    ///
    /// # Errors
    ///
    /// As [`StorageFile::write_at`].
    fn write_both_at(&self, offset: u64, first: &[u8], then: &[u8]) -> io::Result<()> {
        if !first.is_empty() {
            self.write_at(offset, first)?;
        }
        if !then.is_empty() {
            self.write_at(offset + first.len() as u64, then)?;
        }
        Ok(())
    }

    /// Makes everything written before durable.
    ///
    /// # Errors
    ///
    /// Those of the operating system; what the file then holds is not known, and trying again does
    /// not tell: the kernel has dropped the pages.
    fn sync_data(&self) -> io::Result<()>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

/// What a file is written in by [`Storage::open_blocks`]: no block device asks for more. Unit: bytes.
pub const BLOCK_BYTES: usize = 4096;

/// Memory that begins where a block may.
#[derive(Debug)]
pub(crate) struct Blocks {
    memory: Vec<u8>,
    begin: usize,
    bytes: usize,
}

impl Blocks {
    /// `bytes` zeroes, a multiple of [`BLOCK_BYTES`].
    pub(crate) fn zeroed(bytes: usize) -> Blocks {
        assert!(bytes.is_multiple_of(BLOCK_BYTES));
        let memory = vec![0; bytes + BLOCK_BYTES];
        let begin = memory.as_ptr().align_offset(BLOCK_BYTES);
        Blocks { memory, begin, bytes }
    }

    pub(crate) fn get(&self) -> &[u8] {
        &self.memory[self.begin..self.begin + self.bytes]
    }

    pub(crate) fn get_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.begin..self.begin + self.bytes]
    }
}

/// Zeroes are written in pieces of this size. Unit: bytes.
const ZEROES_BYTES: usize = 1 << 20;

fn write_zeroes(file: &File, bytes: u64) -> io::Result<()> {
    let zeroes = vec![0; ZEROES_BYTES];
    for at in (0..bytes).step_by(ZEROES_BYTES) {
        let len = usize::try_from(bytes - at).unwrap_or(ZEROES_BYTES).min(ZEROES_BYTES);
        file.write_all_at(&zeroes[..len], at)?;
    }
    Ok(())
}

/// Whether a file opened with `O_DIRECT` takes it: some file systems say so only when it is read or written.
fn is_direct(file: &File) -> bool {
    let mut block = Blocks::zeroed(BLOCK_BYTES);
    file.read_at(block.get_mut(), 0).is_ok()
}

impl Storage for Disk {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            // Some file systems cannot reserve; writing zeroes does the same, more slowly.
            Err(rustix::io::Errno::OPNOTSUPP) => write_zeroes(&file, bytes)?,
            Err(error) => return Err(error.into()),
        }
        file.sync_all()?;
        sync_folder_of(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
    }

    /// Past the cache, where the file system can: through it a write and its sync take a third longer (ext4 here).
    fn open_blocks(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        #[allow(clippy::cast_possible_wrap)] // Flags.
        let direct = options.clone().custom_flags(OFlags::DIRECT.bits() as i32).open(path);
        match direct {
            Ok(file) if is_direct(&file) => {
                // Each write past the cache would look for its pages there. Only a hint.
                let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
                Ok(Box::new(file))
            }
            // Not here: as every other file. What is really wrong shows itself again.
            _ => Ok(Box::new(options.open(path)?)),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)?;
        sync_folder_of(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)?;
        sync_folder_of(to)
    }
}

impl StorageFile for File {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn write_both_at(&self, offset: u64, first: &[u8], then: &[u8]) -> io::Result<()> {
        let written = if first.is_empty() || then.is_empty() {
            0
        } else {
            // What is left of it, if it was interrupted or cut short, is for the calls below. Not one call of rustix, which has it:
            // that goes past the C library, where `tools/test power` has its disk that forgets.
            let mut file = self;
            file.seek(SeekFrom::Start(offset))?;
            match file.write_vectored(&[IoSlice::new(first), IoSlice::new(then)]) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(error),
            }
        };
        let of_first = written.min(first.len());
        let (first, then) = (&first[of_first..], &then[written - of_first..]);
        let offset = offset + written as u64;
        self.write_all_at(first, offset)?;
        self.write_all_at(then, offset + first.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
