//! Numbered places that are reused: what is in flight is addressed by a plain index.

/// Values in numbered places.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<Place<T>>,
    /// The place that was freed last; [`NONE`] if all are taken.
    free: u32,
    taken: usize,
}

/// No larger than a value that leaves room for one more case.
#[derive(Debug)]
enum Place<T> {
    Taken(T),
    /// With the place that was freed before.
    Free(u32),
}

const NONE: u32 = u32::MAX;

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab { places: Vec::new(), free: NONE, taken: 0 }
    }
}

impl<T> Slab<T> {
    /// Bytes of a place.
    pub const PLACE_BYTES: usize = size_of::<Place<T>>();

    /// Puts a value in a free place.
    #[inline(always)]
    pub fn insert(&mut self, value: T) -> u32 {
        if self.free == NONE {
            self.append();
        }
        // The value is not touched before its place is known, so that it can be made there.
        let index = self.free;
        let place = &mut self.places[index as usize];
        if let Place::Free(next) = *place {
            self.free = next;
        }
        *place = Place::Taken(value);
        self.taken += 1;
        index
    }

    /// One more free place.
    #[inline(never)]
    fn append(&mut self) {
        let index = u32::try_from(self.places.len()).ok().filter(|index| *index != NONE);
        self.places.push(Place::Free(NONE));
        self.free = index.expect("fewer than 2^32 things are in flight");
    }

    /// Takes the value out and frees its place.
    ///
    /// # Panics
    /// If the place is free.
    #[inline(always)]
    pub fn remove(&mut self, index: u32) -> T {
        let place = std::mem::replace(&mut self.places[index as usize], Place::Free(self.free));
        self.free = index;
        // If it was free, that is what is to be said, and not that a count went below zero.
        self.taken = self.taken.wrapping_sub(1);
        match place {
            Place::Taken(value) => value,
            Place::Free(_) => panic!("a place is freed once"),
        }
    }

    /// The value at `index`, if there is one.
    #[inline(always)]
    pub fn get(&self, index: u32) -> Option<&T> {
        match self.places.get(index as usize) {
            Some(Place::Taken(value)) => Some(value),
            _ => None,
        }
    }

    /// The value at `index`, if there is one.
    #[inline(always)]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        match self.places.get_mut(index as usize) {
            Some(Place::Taken(value)) => Some(value),
            _ => None,
        }
    }

    /// Looks at a place, so that it is at hand when it is needed. True if it is taken.
    #[inline(always)]
    pub fn touch(&self, index: u32) -> bool {
        self.get(index).is_some()
    }

    /// Places taken.
    pub fn len(&self) -> usize {
        self.taken
    }

    /// True if no place is taken.
    pub fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// What stands in places that are taken, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..).zip(&self.places).filter_map(|(index, place)| match place {
            Place::Taken(value) => Some((index, value)),
            Place::Free(_) => None,
        })
    }

    /// Bytes that so many values take at least: places double when there are too few.
    pub fn bytes_for(values: u64) -> u64 {
        match values {
            0 => 0,
            _ => values.checked_next_power_of_two().unwrap_or(u64::MAX).saturating_mul(Self::PLACE_BYTES as u64),
        }
    }

    /// Bytes that all places take, free ones included.
    pub fn bytes(&self) -> usize {
        self.places.capacity() * Self::PLACE_BYTES
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;
    #[inline(always)]
    fn index(&self, index: u32) -> &T {
        self.get(index).expect("the place is taken")
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline(always)]
    fn index_mut(&mut self, index: u32) -> &mut T {
        self.get_mut(index).expect("the place is taken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_so_many_values_take_is_known_beforehand() {
        for values in [0u64, 4, 5, 100, 128, 129, 5_000] {
            let mut slab = Slab::default();
            for value in 0..values {
                slab.insert(value);
            }
            assert_eq!(Slab::<u64>::bytes_for(values), slab.bytes() as u64, "{values} values");
        }
        assert_eq!(Slab::<u64>::bytes_for(u64::MAX), u64::MAX);
    }

    /// Against a plain list: who takes a place that is free, and who is where.
    #[test]
    fn places_are_used_again() {
        let mut slab = Slab::default();
        let mut model: Vec<Option<u32>> = Vec::new();
        let mut rng = crate::rng::KeyedRng::new(1, crate::rng::Purpose::Think, 0, 0);
        for number in 0..10_000 {
            let taken: Vec<u32> = (0..model.len() as u32).filter(|place| model[*place as usize].is_some()).collect();
            if rng.below(100) < 52 || taken.is_empty() {
                let place = slab.insert(number);
                if place as usize == model.len() {
                    assert_eq!(taken.len(), model.len(), "no place was free");
                    model.push(None);
                }
                assert_eq!(model[place as usize].replace(number), None, "the place was free");
            } else {
                let place = taken[rng.below(taken.len() as u64) as usize];
                assert_eq!(Some(slab.remove(place)), model[place as usize].take());
                assert_eq!(slab.get(place), None);
            }
            assert_eq!(slab.len(), model.iter().flatten().count());
        }
        let all: Vec<(u32, u32)> = slab.iter().map(|(place, value)| (place, *value)).collect();
        let expected = (0..).zip(&model).filter_map(|(place, value)| Some((place, (*value)?)));
        assert_eq!(all, expected.collect::<Vec<_>>());
    }

    #[test]
    #[should_panic(expected = "freed once")]
    fn a_place_is_freed_once() {
        let mut slab = Slab::default();
        let place = slab.insert(1);
        slab.remove(place);
        slab.remove(place);
    }
}
