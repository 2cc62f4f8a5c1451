//! Signed notes.

use super::*;

/// The example of the signed-note specification's Go package (`golang.org/x/mod/sumdb/note`).
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

fn signer() -> NoteSigner {
    NoteSigner::new("voxledger/log/x".to_owned(), &[7; 32])
}

#[test]
fn a_key_is_read_as_others_write_it() {
    let verifier: NoteVerifier = KEY.parse().unwrap();
    assert_eq!((verifier.name(), verifier.to_string().as_str()), ("PeterNeumann", KEY));
    for bad in ["", "a+b", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", &KEY[..60]] {
        assert_eq!(bad.parse::<NoteVerifier>(), Err(NoteError::Key), "{bad}");
    }
}

#[test]
fn a_head_is_signed_always_alike_and_only_its_key_vouches_for_it() {
    let note = signer().sign(3, EMPTY_ROOT);
    assert_eq!(note, signer().sign(3, EMPTY_ROOT));
    let read: SignedCheckpoint = note.parse().unwrap();
    assert_eq!((read.checkpoint.size, read.checkpoint.root), (3, EMPTY_ROOT));
    let verifier: NoteVerifier = signer().verifier().to_string().parse().unwrap();
    assert_eq!(verifier.verify(&read), Ok(()));
    let other = NoteSigner::new("voxledger/log/x".to_owned(), &[8; 32]).verifier();
    assert_eq!(other.verify(&read), Err(NoteError::Unsigned));
    let elsewhere = NoteSigner::new("voxledger/log/y".to_owned(), &[7; 32]).verifier();
    assert_eq!(elsewhere.verify(&read), Err(NoteError::Origin));
}

#[test]
fn whatever_is_changed_in_a_note_it_says_nothing_more() {
    let (note, verifier) = (signer().sign(300, Hash([9; 32])), signer().verifier());
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let verified = text.parse().and_then(|read: SignedCheckpoint| verifier.verify(&read));
        assert!(verified.is_err(), "byte {at}: {text}");
    }
    for end in 0..note.len() {
        let Some(text) = note.get(..end) else { continue };
        assert!(text.parse::<SignedCheckpoint>().is_err(), "cut at {end}");
    }
}

#[test]
fn a_file_of_notes_is_read_note_by_note() {
    let notes = [signer().sign(1, EMPTY_ROOT), signer().sign(2, EMPTY_ROOT)];
    for text in [notes.concat(), notes.join("\n"), format!("\n{}\n\n", notes.join("\n\n"))] {
        let sizes: Vec<_> = checkpoints_in(&text).unwrap().iter().map(|note| note.checkpoint.size).collect();
        assert_eq!(sizes, [1, 2], "{text}");
    }
    assert_eq!(checkpoints_in("").unwrap(), []);
    assert!(checkpoints_in("hello\n").is_err());
}
