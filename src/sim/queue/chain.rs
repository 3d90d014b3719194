//! Entries in order of arrival, in chunks of one slab: appending writes to one cache line, and reading runs through memory in order.

use super::Entry;

/// Entries in a chunk: four cache lines.
const CHUNK: usize = 16;
const NONE: u32 = u32::MAX;

/// A sequence of entries. Its last chunk always has room for one more.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    first: u32,
    last: u32,
    len: u32,
}

impl Chain {
    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.len as usize
    }
}

/// Begins where a cache line does: an entry that lies across two of them costs twice.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Chunk([Entry; CHUNK]);

/// Where all chains lie. Chunks that were read are used again, the latest first.
#[derive(Debug, Default)]
pub struct Chunks {
    chunks: Vec<Chunk>,
    /// The chunk after each, in its chain or among the free ones.
    next: Vec<u32>,
    free: Option<u32>,
}

impl Chunks {
    /// An empty chain. It is given back by [`Chunks::take`], [`Chunks::deal`] or [`Chunks::release`].
    pub fn chain(&mut self) -> Chain {
        let chunk = self.chunk();
        Chain { first: chunk, last: chunk, len: 0 }
    }

    /// Appends to a chain. Which one it is comes from a random number that was hardly drawn, so that nothing here may hang on it that a
    /// processor could guess wrong often: this is why the room for the next entry is made beforehand.
    #[inline(always)]
    pub fn push(&mut self, chain: &mut Chain, entry: Entry) {
        let at = chain.len as usize % CHUNK;
        self.chunks[chain.last as usize].0[at] = entry;
        chain.len += 1;
        if at == CHUNK - 1 {
            *chain = self.grow(*chain);
        }
    }

    /// Gives a chain one more chunk.
    #[inline(never)]
    fn grow(&mut self, chain: Chain) -> Chain {
        let chunk = self.chunk();
        self.next[chain.last as usize] = chunk;
        Chain { last: chunk, ..chain }
    }

    /// A chunk for use.
    fn chunk(&mut self) -> u32 {
        match self.free {
            Some(chunk) => {
                let next = self.next[chunk as usize];
                self.free = (next != NONE).then_some(next);
                chunk
            }
            None => {
                self.chunks.push(Chunk([Entry::default(); CHUNK]));
                self.next.push(NONE);
                self.next.len() as u32 - 1
            }
        }
    }

    /// The entries of a chain.
    pub fn of(&self, chain: &Chain) -> impl Iterator<Item = Entry> {
        let (mut chunk, mut left) = (chain.first, chain.len());
        std::iter::from_fn(move || {
            let count = left.min(CHUNK);
            let entries = &self.chunks.get(chunk as usize)?.0[..count];
            chunk = self.next[chunk as usize];
            left -= count;
            (count > 0).then(|| entries.iter().copied())
        })
        .flatten()
    }

    /// Gives back a chain that stayed empty.
    pub fn release(&mut self, mut chain: Chain) {
        self.cut(&mut chain);
    }

    /// The first chunk of a chain, which is cut off from it, and how many entries it has. The chunk is free from now on, but holds them until the
    /// next one is needed.
    fn cut(&mut self, chain: &mut Chain) -> (usize, usize) {
        let chunk = chain.first;
        let count = chain.len.min(CHUNK as u32);
        chain.first = self.next[chunk as usize];
        chain.len -= count;
        self.next[chunk as usize] = self.free.unwrap_or(NONE);
        self.free = Some(chunk);
        (chunk as usize, count as usize)
    }

    /// Takes all entries out of a chain, in order, to the end of `out`.
    pub fn take(&mut self, mut chain: Chain, out: &mut Vec<Entry>) {
        loop {
            let is_last = chain.first == chain.last;
            let (chunk, count) = self.cut(&mut chain);
            out.extend_from_slice(&self.chunks[chunk].0[..count]);
            if is_last {
                return;
            }
        }
    }

    /// Deals the entries of a chain out to others, in order: `to` says which of `chains` each belongs to.
    pub fn deal(&mut self, mut chain: Chain, chains: &mut [Chain], to: impl Fn(&Entry) -> usize) {
        loop {
            let is_last = chain.first == chain.last;
            let (chunk, count) = self.cut(&mut chain);
            let hand = self.chunks[chunk];
            for entry in &hand.0[..count] {
                self.push(&mut chains[to(entry)], *entry);
            }
            if is_last {
                return;
            }
        }
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>() + self.next.capacity() * size_of::<u32>()
    }
}
