//! Channels that are split into groups.

use crate::types::Message;

/// The numbers of groups next to `groups` that `channels` can be split into: one that is smaller and one that is not, or
/// twice the same where there is no such pair.
pub(crate) const fn possible(channels: usize, groups: usize) -> [usize; 2] {
    let (mut fewer, mut more, mut number) = (1, 0, 1);
    while number <= channels && more == 0 {
        if channels.is_multiple_of(number) {
            (fewer, more) = if number < groups { (number, 0) } else { (fewer, number) };
        }
        number += 1;
    }
    [fewer, if more == 0 { fewer } else { more }]
}

/// Goes on, behind the number of channels: `channels split evenly into 3 or 6 groups`.
pub(crate) const fn evenly(subject: Message, channels: usize, groups: usize) -> Message {
    let [fewer, more] = possible(channels, groups);
    let help = subject.str(" channels split evenly into ");
    let help = if fewer == more { help.num(fewer) } else { help.num(fewer).str(" or ").num(more) };
    help.str(if more == 1 { " group" } else { " groups" })
}

/// The largest number that divides both.
pub(crate) const fn common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common(b, a % b) }
}
