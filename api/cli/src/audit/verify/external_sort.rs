//! Groups records by key when there are more than fit into memory.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};

/// Number of partitions, each of which is sorted separately.
const PARTS: usize = 64;
/// Records kept in memory before they are written to disk (at 32 bytes a record: 64 MiB).
const IN_MEMORY: usize = 2 << 20;

/// Records of `N` words, of which the first two are the key. What does not fit into memory is written to unnamed
/// temporary files, so that a log of any length is checked in about 100 MiB.
#[derive(Debug)]
pub(super) struct ExternalSorter<const N: usize> {
    parts: Vec<Vec<[u64; N]>>,
    files: Vec<Option<BufWriter<File>>>,
    in_memory: usize,
    most: usize,
}

impl<const N: usize> ExternalSorter<N> {
    pub(super) fn new() -> Self {
        Self::holding(IN_MEMORY)
    }

    fn holding(most: usize) -> Self {
        let files = (0..PARTS).map(|_| None).collect();
        Self { parts: vec![Vec::new(); PARTS], files, in_memory: 0, most }
    }

    pub(super) fn push(&mut self, record: [u64; N]) -> io::Result<()> {
        // ids made in one millisecond share their beginning, and streams their end: both count
        let mixed = (record[0] ^ record[1].rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.parts[(mixed >> 58) as usize].push(record);
        self.in_memory += 1;
        if self.in_memory >= self.most { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        for (part, file) in self.parts.iter_mut().zip(&mut self.files) {
            let file = match file {
                Some(file) => file,
                None => file.insert(BufWriter::new(tempfile::tempfile()?)),
            };
            for word in part.drain(..).flatten() {
                file.write_all(&word.to_le_bytes())?;
            }
        }
        self.in_memory = 0;
        Ok(())
    }

    /// Passes every partition, sorted, to `check`: all records of a key are in one partition, next to each other.
    pub(super) fn finish(self, mut check: impl FnMut(&[[u64; N]])) -> io::Result<()> {
        for (mut part, file) in self.parts.into_iter().zip(self.files) {
            if let Some(file) = file {
                let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.rewind()?;
                read(&mut BufReader::new(file), &mut part)?;
            }
            part.sort_unstable();
            check(&part);
        }
        Ok(())
    }
}

fn read<const N: usize>(file: &mut BufReader<File>, part: &mut Vec<[u64; N]>) -> io::Result<()> {
    let records = file.get_ref().metadata()?.len() as usize / (8 * N);
    part.reserve(records);
    for _ in 0..records {
        let mut record = [0; N];
        for word in &mut record {
            let mut bytes = [0; 8];
            file.read_exact(&mut bytes)?;
            *word = u64::from_le_bytes(bytes);
        }
        part.push(record);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_key_come_together_also_from_disk() {
        for most in [10, 1_000, 1_000_000] {
            let mut sifter = ExternalSorter::<3>::holding(most);
            for n in 0..5_000_u64 {
                sifter.push([n % 700, 7, n]).unwrap();
            }
            let (mut keys, mut records) = (Vec::new(), 0);
            sifter
                .finish(|part| {
                    records += part.len();
                    keys.extend(part.chunk_by(|a, b| a[0] == b[0]).map(|run| run[0][0]));
                    assert!(part.is_sorted());
                })
                .unwrap();
            keys.sort_unstable();
            assert_eq!((records, keys), (5_000, (0..700).collect::<Vec<_>>()), "{most} in memory");
        }
    }
}
