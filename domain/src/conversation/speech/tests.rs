use proptest::prelude::*;

use super::*;

fn hears(written: &str, heard: &str) {
    assert_eq!(speech_text(written), heard, "of {written:?}");
}

#[test]
fn prose_is_its_own_speech() {
    for prose in [
        "You said: blue",
        "5 * 3 is 15, and 2*3*4 is 24.",
        "The field snake_case_name in C# or F#, $5 and €6.50, 7 < 8 & 9 > 1.",
        "Dial *67 or #31#, then 10% of ~20.",
        "if x<y and z>w",
        "Grüß dich, 你好!",
        "We open at 9:00 - 17:00; it's 20° outside.",
        "It was\nin 2024.",
        "a@b.example or [sic] (see below)",
        "AT&T, 1/2, 3+4=7, x^2, 2**3",
    ] {
        hears(prose, prose);
    }
}

#[test]
fn marks_of_emphasis_and_headings_are_not_heard() {
    hears("**Yes**, *really* __now__ and _then_, ~~not~~ ***so***.", "Yes, really now and then, not so.");
    hears("# Hours\nWe are open.\n\n## Fees ##\nNone.", "Hours.\nWe are open.\nFees.\nNone.");
    hears("Hours\n=====\nNine to five.", "Hours.\nNine to five.");
    hears("One\n\n---\n\nTwo", "One\nTwo");
    hears("> Quoted **words**", "Quoted words");
}

#[test]
fn marks_that_were_never_closed_are_not_heard_either() {
    hears("**Important: call *now", "Important: call now");
    hears("Sure! ## Options are `here", "Sure! Options are here");
    hears("the fee* is 5", "the fee is 5");
}

#[test]
fn lists_are_lines_and_numbers_stay() {
    hears("- One\n- Two!\n* Three", "One.\nTwo!\nThree.");
    hears("1. Call\n2. Wait\n\n3. Pay", "1. Call.\n2. Wait.\n3. Pay.");
    hears("We have:\n\n* **Tea**: 2 €\n  * green\n* Coffee", "We have:\nTea: 2 €\ngreen.\nCoffee.");
    hears("• One\n• Two", "One\nTwo");
    hears("- [x] done\n- [ ] open", "done.\nopen.");
}

#[test]
fn of_links_and_pictures_the_words_are_heard() {
    hears("See [our page](https://example.com/a?b=c) now.", "See our page now.");
    hears("See <https://www.example.com/>.", "See example.com.");
    hears("See https://www.example.com/hours?utm=1#x, please", "See example.com/hours, please");
    hears("![A map](map.png) Turn left[1][2]. Yes【4†source】.", "A map Turn left. Yes.");
    hears("[ref]: https://example.com\nHello", "Hello");
}

#[test]
fn tables_are_rows_of_words() {
    let table = "Prices:\n\n| Day | Fee |\n|:----|----:|\n| Mon | **5 €** |\n| Tue | |\n";
    hears(table, "Prices:\nDay, Fee.\nMon, 5 €.\nTue.");
    hears("| Mon | 5 |", "Mon, 5");
}

#[test]
fn code_is_not_read_out_but_words_in_its_marks_are() {
    hears("Press `Enter` twice.", "Press Enter twice.");
    hears("Like this:\n```python\nprint(1)\n```\nDone.", "Like this:\nDone.");
    hears("```\nYour number is 7.\n```", "Your number is 7.");
    hears("```json\n{\"a\":1}", "");
}

#[test]
fn pictures_and_invisible_marks_are_not_heard() {
    hears("Great 🎉! Hi 👋🏽, Ada 👨‍👩‍👧 ❤️.", "Great! Hi, Ada.");
    hears("✅ Booked ➡️ 1️⃣ 🇩🇰", "Booked 1");
    hears("Zero\u{200b}width\u{feff}", "Zerowidth");
    hears("😀👍", "");
}

#[test]
fn html_and_ssml_are_not_heard() {
    hears("Hello <b>you</b>,<br/>wait <break time=\"1s\"/>now &amp; then", "Hello you,\nwait now & then");
    hears("<div>\n<p>One</p>\n<p>Two</p>\n</div>", "One\nTwo");
    hears("<script>alert(1)</script>\n\nHi<!-- not this -->", "Hi");
    hears("<speak>Good <emphasis level=\"strong\">morning</emphasis></speak>", "Good morning");
}

#[test]
fn what_has_no_words_is_known() {
    for nothing in ["", " \n\t", "\u{200b}\u{feff}", "\u{a0}"] {
        assert!(!has_words(nothing) && !has_speech(nothing), "{nothing:?}");
    }
    for silent in ["👍", "...", "---", "```json\n{}\n```", "![](x.png)"] {
        assert!(has_words(silent) && !has_speech(silent), "{silent:?}");
    }
    assert!(has_words("No.") && has_speech("No.") && has_speech("7") && has_speech("好"));
}

proptest! {
    #[test]
    fn speech_is_its_own_speech_and_never_longer_than_a_pause_a_line(words in "[a-zA-Z0-9 ,.!?\n]{0,200}") {
        let speech = speech_text(&words);
        prop_assert!(speech.chars().filter(|c| c.is_alphanumeric()).count() <= words.len());
    }

    #[test]
    fn nothing_makes_it_fail(text in "\\PC*") {
        let _ = speech_text(&text);
    }

    #[test]
    fn nothing_of_marks_makes_it_fail(text in "[\\[\\]()*_`~#<>|!\\-\n 1a【】🎉/:h]{0,80}") {
        let _ = speech_text(&text);
    }
}
