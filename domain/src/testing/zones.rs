//! Files of time zones, made by hand.

/// A TZif file (RFC 9636, version 2) without transitions: its footer alone says what holds, as a
/// POSIX `TZ` like `<-03>3`.
#[must_use]
pub fn fixed_zone(posix: &str) -> Vec<u8> {
    // is_utc, is_std, leap seconds, transitions, one type, four characters of designations
    let counts: [u32; 6] = [0, 0, 0, 0, 1, 4];
    let mut file = Vec::new();
    for _version in [1, 2] {
        file.extend(b"TZif2");
        file.extend([0; 15]);
        file.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        file.extend([0; 6]);
        file.extend(b"LMT\0");
    }
    file.extend(format!("\n{posix}\n").bytes());
    file
}
