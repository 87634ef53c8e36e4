//! Numbers in types of another size. What does not fit becomes the largest that does: a figure in a log, a metric or an answer
//! is then too small, and never a wrong one that looks right.

use std::time::Duration;

/// A type with a largest number.
pub trait Largest {
    /// That number.
    const LARGEST: Self;
}

macro_rules! largest {
    ($($number:ty),*) => { $(impl Largest for $number { const LARGEST: Self = <$number>::MAX; })* };
}

largest!(u8, u16, u32, u64, usize, i32, i64);

/// A number that is not negative in another type.
pub fn fitted<T, N>(number: N) -> T
where
    T: Largest + TryFrom<N>,
{
    T::try_from(number).unwrap_or(T::LARGEST)
}

/// Whole milliseconds.
pub fn whole_ms(time: Duration) -> u64 {
    fitted(time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_the_largest() {
        assert_eq!(fitted::<u8, usize>(255), 255);
        assert_eq!(fitted::<u8, usize>(256), 255);
        assert_eq!(fitted::<i64, u64>(u64::MAX), i64::MAX);
        assert_eq!(whole_ms(Duration::from_micros(1_999)), 1);
        assert_eq!(whole_ms(Duration::MAX), u64::MAX);
    }
}
