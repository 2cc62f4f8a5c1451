//! The rules of a call, told as given, when, then.
