//! Numbered places that are reused: what is in flight is addressed by a plain index.

/// Values in numbered places.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts a value in a free place.
    pub fn insert(&mut self, value: T) -> u32 {
        if let Some(index) = self.free.pop() {
            self.places[index as usize] = Some(value);
            return index;
        }
        let index = u32::try_from(self.places.len()).expect("fewer than 2^32 things are in flight");
        self.places.push(Some(value));
        index
    }

    /// Takes the value out and frees its place.
    pub fn remove(&mut self, index: u32) -> T {
        self.free.push(index);
        self.places[index as usize].take().expect("a place is freed once")
    }

    /// The value at `index`, if there is one.
    pub fn get(&self, index: u32) -> Option<&T> {
        self.places.get(index as usize).and_then(Option::as_ref)
    }

    /// The value at `index`, if there is one.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.places.get_mut(index as usize).and_then(Option::as_mut)
    }

    /// Places taken.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// True if no place is taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What stands in places that are taken, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| Some((index as u32, place.as_ref()?)))
    }

    /// Indices that are taken, in order.
    pub fn indices(&self) -> Vec<u32> {
        (0..self.places.len() as u32).filter(|i| self.places[*i as usize].is_some()).collect()
    }

    /// Bytes that so many values take at least: places double when there are too few.
    pub fn bytes_for(values: u64) -> u64 {
        match values {
            0 => 0,
            _ => values.checked_next_power_of_two().unwrap_or(u64::MAX).saturating_mul(size_of::<Option<T>>() as u64),
        }
    }

    /// Bytes that all places take, free ones included.
    pub fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<Option<T>>() + self.free.capacity() * size_of::<u32>()
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;
    fn index(&self, index: u32) -> &T {
        self.places[index as usize].as_ref().expect("the place is taken")
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        self.places[index as usize].as_mut().expect("the place is taken")
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
}
