//! A mailbox to a series: no panic, and no byte of it is lost when it is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchlift_fuzz::mail::Options;
use patchlift_fuzz::{mbox, series};

fuzz_target!(|data: &[u8]| {
    let cut: usize = mbox::split(data).iter().map(|mail| mail.len()).sum();
    let returns = data.windows(2).filter(|pair| pair == b"\r\n").count();
    let blanks = data.iter().take_while(|b| b" \t\r\n".contains(b)).count();
    assert!(cut + returns + blanks >= data.len());
    let messages = series::read_mailbox(data, Options::default());
    let _ = series::in_file_order(&messages);
    let _ = series::assemble(messages, None);
});
