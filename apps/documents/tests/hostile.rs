//! Documents made to hurt whoever reads them.

mod common;

use std::cell::Cell;

use app_documents::{ExtractError, Kind, Limits, extract, extract_until};
use common::{Pdf, archive, docx, helvetica, with_font};
use lopdf::{Dictionary, Object, Stream, dictionary};
use proptest::prelude::*;

fn code(kind: Kind, bytes: &[u8]) -> &'static str {
    match extract(kind, bytes, &Limits::default()) {
        Ok(extracted) => panic!("text came out: {:?}", extracted.text.chars().take(80).collect::<String>()),
        Err(error) => error.code(),
    }
}

fn sample(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../cv-evaluator/samples/").to_owned() + name;
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn a_docx_that_inflates_past_the_budget_is_a_bomb() {
    let blanks = " ".repeat(80 << 20);
    let bomb = docx(&format!("<w:p><w:r><w:t>{blanks}</w:t></w:r></w:p>"));
    assert!(bomb.len() < 1 << 20, "it is small: {}", bomb.len());
    assert_eq!(code(Kind::Docx, &bomb), "DOCUMENT_BOMB");
}

#[test]
fn many_parts_share_one_budget() {
    let header = format!("<w:hdr>{}</w:hdr>", " ".repeat(20 << 20));
    let names: Vec<String> = (0..5).map(|number| format!("word/header{number}.xml")).collect();
    let relation =
        |number| format!("<Relationship Id=\"r{number}\" Type=\"x/header\" Target=\"header{number}.xml\"/>");
    let relations = format!("<Relationships>{}</Relationships>", (0..5).map(relation).collect::<String>());
    let mut files: Vec<(&str, &[u8])> =
        vec![("word/document.xml", b"<w:document/>"), ("word/_rels/document.xml.rels", relations.as_bytes())];
    files.extend(names.iter().map(|name| (name.as_str(), header.as_bytes())));
    assert_eq!(code(Kind::Docx, &archive(&files)), "DOCUMENT_BOMB");
}

#[test]
fn an_entity_bomb_is_refused_unexpanded() {
    let xml = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><w:document><w:t>&b;</w:t></w:document>";
    assert_eq!(code(Kind::Docx, &archive(&[("word/document.xml", xml.as_bytes())])), "DOCUMENT_BOMB");
}

#[test]
fn paths_and_external_parts_lead_nowhere() {
    let relations = "<Relationships>\
        <Relationship Id=\"a\" Type=\"x/header\" Target=\"../../../../etc/passwd\"/>\
        <Relationship Id=\"b\" Type=\"x/header\" Target=\"file:///etc/passwd\" TargetMode=\"External\"/>\
        <Relationship Id=\"c\" Type=\"x/header\" Target=\"/etc/passwd\"/></Relationships>";
    let body = "<w:document><w:p><w:r><w:t>body</w:t></w:r></w:p></w:document>";
    let files: [(&str, &[u8]); 2] =
        [("word/document.xml", body.as_bytes()), ("word/_rels/document.xml.rels", relations.as_bytes())];
    let extracted = extract(Kind::Docx, &archive(&files), &Limits::default()).expect("text");
    assert_eq!(extracted.text, "body");
}

#[test]
fn other_archives_and_old_formats_are_named() {
    assert_eq!(code(Kind::Docx, &archive(&[("xl/workbook.xml", b"<a/>")])), "DOCUMENT_UNSUPPORTED");
    assert_eq!(code(Kind::Docx, &archive(&[])), "DOCUMENT_UNSUPPORTED");
    // The header of an OLE compound file, with and without the stream in which Office puts what it encrypts.
    let mut compound = vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
    compound.resize(1024, 0);
    assert_eq!(code(Kind::Docx, &compound), "DOCUMENT_UNSUPPORTED");
    compound.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(code(Kind::Docx, &compound), "DOCUMENT_ENCRYPTED");
}

#[test]
fn a_docx_of_pictures_is_a_scan() {
    let files: [(&str, &[u8]); 2] =
        [("word/document.xml", b"<w:document/>"), ("word/media/image1.png", b"png")];
    assert_eq!(code(Kind::Docx, &archive(&files)), "DOCUMENT_SCANNED");
}

#[test]
fn a_page_that_inflates_past_the_budget_is_a_bomb() {
    let mut pdf = Pdf::new();
    pdf.page(&vec![b' '; 80 << 20], with_font(helvetica()));
    let bytes = pdf.bytes();
    assert!(bytes.len() < 1 << 20, "it is small: {}", bytes.len());
    assert_eq!(code(Kind::Pdf, &bytes), "DOCUMENT_BOMB");
}

#[test]
fn pages_that_share_one_large_stream_count_it_each_time() {
    let mut pdf = Pdf::new();
    let first = pdf.page(&vec![b' '; 10 << 20], with_font(helvetica()));
    pdf.kids = vec![first.into(); 100];
    assert_eq!(code(Kind::Pdf, &pdf.bytes()), "DOCUMENT_BOMB");
}

#[test]
fn a_character_map_that_inflates_past_its_limit_is_a_bomb() {
    let mut pdf = Pdf::new();
    let mut map = Stream::new(Dictionary::new(), vec![b' '; 70 << 20]);
    map.compress().expect("compress");
    let map = pdf.document.add_object(map);
    let mut font = helvetica();
    font.set("ToUnicode", map);
    pdf.page(b"BT /F1 12 Tf (x) Tj ET", with_font(font));
    assert_eq!(code(Kind::Pdf, &pdf.bytes()), "DOCUMENT_BOMB");
}

#[test]
fn a_page_tree_that_contains_itself_is_a_bomb() {
    let mut pdf = Pdf::new();
    pdf.page(b"", dictionary! {});
    let root = pdf.root;
    pdf.kids.push(root.into());
    assert_eq!(code(Kind::Pdf, &pdf.bytes()), "DOCUMENT_BOMB");

    let mut deep = Pdf::new();
    let mut below = deep.page(b"", dictionary! {});
    for _ in 0..200 {
        below =
            deep.document.add_object(dictionary! { "Type" => "Pages", "Kids" => vec![Object::from(below)] });
    }
    deep.kids = vec![below.into()];
    assert_eq!(code(Kind::Pdf, &deep.bytes()), "DOCUMENT_BOMB");
}

#[test]
fn more_pages_than_allowed_are_too_large() {
    let mut pdf = Pdf::new();
    let page = pdf.page(b"BT /F1 12 Tf (again) Tj ET", with_font(helvetica()));
    pdf.kids = vec![page.into(); 201];
    assert_eq!(code(Kind::Pdf, &pdf.bytes()), "DOCUMENT_TOO_LARGE");
}

#[test]
fn more_objects_than_allowed_are_a_bomb() {
    let mut bytes = b"%PDF-1.4\n".to_vec();
    for number in 0..260_000 {
        bytes.extend_from_slice(format!("{number} 0 obj\n1\nendobj\n").as_bytes());
    }
    assert_eq!(code(Kind::Pdf, &bytes), "DOCUMENT_BOMB");
}

#[test]
fn forms_that_draw_each_other_are_a_bomb() {
    let mut pdf = Pdf::new();
    let ids: Vec<_> = (0..11).map(|_| pdf.document.new_object_id()).collect();
    for (level, id) in ids.iter().enumerate() {
        let next = ids.get(level + 1).copied().unwrap_or(*id);
        let form = dictionary! {
            "Type" => "XObject", "Subtype" => "Form", "Resources" => dictionary! { "XObject" => dictionary! { "N" => next } },
        };
        pdf.document.objects.insert(*id, Stream::new(form, b"/N Do ".repeat(10)).into());
    }
    pdf.page(b"/N Do", dictionary! { "XObject" => dictionary! { "N" => ids[0] } });
    assert_eq!(code(Kind::Pdf, &pdf.bytes()), "DOCUMENT_BOMB");
}

#[test]
fn a_character_range_of_four_billion_codes_costs_nothing() {
    let mut pdf = Pdf::new();
    let map = b"begincodespacerange <00000000> <FFFFFFFF> endcodespacerange beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange";
    let map = pdf.document.add_object(Stream::new(Dictionary::new(), map.to_vec()));
    let mut font = helvetica();
    font.set("ToUnicode", map);
    pdf.page(b"BT /F1 12 Tf (\x00\x01\x02) Tj ET", with_font(font));
    let extracted = extract(Kind::Pdf, &pdf.bytes(), &Limits::default()).expect("text");
    assert_eq!(extracted.text, "ABC");
}

#[test]
fn files_and_texts_have_a_largest_size() {
    let limits = Limits { max_input_bytes: 100, max_text_bytes: 10, ..Limits::default() };
    let code = |bytes: &[u8]| extract(Kind::Txt, bytes, &limits).map_err(|error| error.code());
    assert_eq!(code(&[b'a'; 101]).expect_err("file"), "DOCUMENT_TOO_LARGE");
    assert_eq!(code(&[b'a'; 11]).expect_err("text"), "DOCUMENT_TOO_LARGE");
    assert_eq!(code(&[b'a'; 10]).expect("fits").text.len(), 10);
}

#[test]
fn an_expired_deadline_ends_the_work_wherever_it_is() {
    for (kind, name) in
        [(Kind::Pdf, "sample-project.pdf"), (Kind::Docx, "sample-cv.docx"), (Kind::Txt, "sample-cv.txt")]
    {
        let bytes = sample(name);
        for asked_before in 0..1_000 {
            let asked = Cell::new(0);
            let expired = || asked.replace(asked.get() + 1) >= asked_before;
            match extract_until(kind, &bytes, &Limits::default(), &expired) {
                Ok(_) => {
                    assert!(asked_before > 0, "{name}: the clock was never asked");
                    break;
                }
                Err(error) => assert_eq!(error, ExtractError::Timeout { limit_ms: 20_000 }, "{name}"),
            }
        }
    }
}

fn small() -> Limits {
    Limits { max_expanded_bytes: 4 << 20, ..Limits::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000), head in 0..4_usize) {
        let heads: [&[u8]; 4] = [b"", b"%PDF-1.7\n", b"PK\x03\x04", b"\xFF\xFE"];
        let bytes = [heads[head], &bytes].concat();
        for kind in [Kind::Pdf, Kind::Docx, Kind::Txt] {
            let _ = extract(kind, &bytes, &small());
        }
    }

    #[test]
    fn mutated_samples_never_panic(
        which in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (kind, name) = [
            (Kind::Pdf, "sample-cv.pdf"),
            (Kind::Docx, "sample-cv.docx"),
            (Kind::Pdf, "broken/encrypted.pdf"),
            (Kind::Pdf, "broken/scanned.pdf"),
        ][which];
        let mut bytes = sample(name);
        for (index, byte) in changes {
            let place = index.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(extracted) = extract(kind, &bytes, &small()) {
            prop_assert!(!extracted.text.trim().is_empty());
            prop_assert!(extracted.text.chars().all(|character| !character.is_control() || "\n\t".contains(character)));
        }
    }

    #[test]
    fn mutated_content_streams_never_panic(
        content in "(\\PC{0,8}|BT|ET|Tj|TJ|Tf|Td|Tm|cm|q|Q|Do|BDC|EMC|BI|ID|EI|\\(a\\)|<41>|\\[|\\]|<<|>>|/F1|-?[0-9]{1,12}(\\.[0-9]{1,3})?| ){0,60}",
    ) {
        let mut pdf = Pdf::new();
        pdf.page(content.as_bytes(), with_font(helvetica()));
        let _ = extract(Kind::Pdf, &pdf.bytes(), &small());
    }
}
