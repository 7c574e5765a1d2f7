//! The documents shipped with the evaluator, read as its users' documents are.

use app_documents::{Extracted, Kind, Limits, extract, sniff};

fn sample(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../cv-evaluator/samples/").to_owned() + name;
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn read(name: &str) -> Result<Extracted, &'static str> {
    let bytes = sample(name);
    let kind = sniff(&bytes, Some(name)).unwrap_or_else(|| panic!("{name} is of no known kind"));
    extract(kind, &bytes, &Limits::default()).map_err(|error| error.code())
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn the_same_words_come_out_of_all_three_formats() {
    for name in ["sample-cv", "sample-project"] {
        let text = read(&format!("{name}.txt")).expect("text");
        for format in ["docx", "pdf"] {
            let other = read(&format!("{name}.{format}")).expect(format);
            assert_eq!(words(&other.text), words(&text.text), "{name}.{format}");
        }
    }
}

#[test]
fn kinds_and_pages_are_reported() {
    let pdf = read("sample-project.pdf").expect("pdf");
    assert_eq!(pdf.kind, Kind::Pdf);
    assert!(pdf.pages >= 2, "{}", pdf.pages);
    assert_eq!(read("sample-cv.docx").expect("docx").kind, Kind::Docx);
    assert_eq!(read("sample-cv.txt").expect("txt").kind, Kind::Txt);
}

#[test]
fn each_broken_document_has_its_own_code() {
    for (name, code) in [
        ("broken/encrypted.pdf", "DOCUMENT_ENCRYPTED"),
        ("broken/scanned.pdf", "DOCUMENT_SCANNED"),
        ("broken/corrupt.pdf", "DOCUMENT_CORRUPT"),
        ("broken/corrupt.docx", "DOCUMENT_CORRUPT"),
        ("broken/empty.pdf", "DOCUMENT_EMPTY"),
        ("broken/empty.docx", "DOCUMENT_EMPTY"),
        ("broken/empty.txt", "DOCUMENT_EMPTY"),
    ] {
        assert_eq!(read(name).map(|extracted| extracted.text), Err(code), "{name}");
    }
}
