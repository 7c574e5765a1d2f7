//! What text comes out of the ways in which PDFs write it.

mod common;

use app_documents::{Kind, Limits, extract};
use common::{Pdf, helvetica, with_font};
use lopdf::{Object, Stream, dictionary};

fn text_of(pdf: Pdf) -> String {
    extract(Kind::Pdf, &pdf.bytes(), &Limits::default()).expect("text").text
}

fn drawn(content: &str, font: lopdf::Dictionary) -> String {
    let mut pdf = Pdf::new();
    pdf.page(content.as_bytes(), with_font(font));
    text_of(pdf)
}

#[test]
fn windows_encoding_is_read_with_its_quotes_and_dashes() {
    let content = "BT /F1 12 Tf 72 700 Td (Zo\\353 \\226 caf\\351 \\223ok\\224 \\200 5) Tj ET";
    assert_eq!(drawn(content, helvetica()), "Zoë – café “ok” € 5");
}

#[test]
fn lines_words_and_columns_follow_positions() {
    let content = "BT /F1 10 Tf 14 TL 72 700 Td (First) Tj 26 0 Td (word) Tj T* (Second line) Tj \
                   [(ke) 20 (rned) -300 (apart)] TJ 1 0 0 1 400 686 Tm (2024) Tj 0 -40 Td (New paragraph) ' ET";
    assert_eq!(drawn(content, helvetica()), "First word\nSecond linekerned apart\t2024\n\nNew paragraph");
}

#[test]
fn letters_placed_one_by_one_make_words() {
    let mut content = String::from("BT /F1 10 Tf ");
    let mut x = 72.0;
    for (letter, width) in [("w", 7.22), ("i", 2.22), ("d", 5.56), ("e", 5.56)].into_iter().cycle().take(8) {
        content += &format!("1 0 0 1 {x} 700 Tm ({letter}) Tj ");
        x += width + if letter == "e" { 2.78 } else { 0.0 };
    }
    assert_eq!(drawn(&(content + "ET"), helvetica()), "wide wide");
}

#[test]
fn to_unicode_wins_over_the_encoding_and_unknown_glyph_names() {
    let mut pdf = Pdf::new();
    let cmap = "begincodespacerange <00> <FF> endcodespacerange beginbfchar <01> <0066006C> endbfchar \
                beginbfrange <02> <1B> <0061> endbfrange";
    let to_unicode = pdf.document.add_object(Stream::new(dictionary! {}, cmap.as_bytes().to_vec()));
    let differences: Vec<Object> = vec![1.into(), "g17".into(), "g18".into()];
    let font = dictionary! {
        "Type" => "Font", "Subtype" => "TrueType", "BaseFont" => "ABCDEF+Odd", "ToUnicode" => to_unicode,
        "Encoding" => dictionary! { "Type" => "Encoding", "Differences" => differences },
    };
    pdf.page(b"BT /F1 12 Tf (\x01\x10\x18) Tj ET", with_font(font));
    assert_eq!(text_of(pdf), "flow");
}

#[test]
fn differences_name_accents_and_ligatures() {
    let differences: Vec<Object> = vec![
        1.into(),
        "eacute".into(),
        "fi".into(),
        "ffl".into(),
        "uni20AC".into(),
        "nosuchglyph".into(),
        "A.sc".into(),
    ];
    let font = dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "CMR10",
        "Encoding" => dictionary! { "Type" => "Encoding", "Differences" => differences },
    };
    assert_eq!(
        drawn("BT /F1 12 Tf (caf\\001 \\002ne ba\\003e \\004 \\005\\006) Tj ET", font),
        "café fine baffle € A"
    );
}

#[test]
fn composite_fonts_are_read_two_bytes_at_a_time() {
    let mut pdf = Pdf::new();
    let cmap = "begincodespacerange <0000> <FFFF> endcodespacerange beginbfrange <0003> <0003> <0020> \
                <0024> <003D> <0041> <0044> <005D> <0061> endbfrange";
    let to_unicode = pdf.document.add_object(Stream::new(dictionary! {}, cmap.as_bytes().to_vec()));
    let widths: Vec<Object> =
        vec![3.into(), vec![Object::from(250)].into(), 0x24.into(), 0x5D.into(), 500.into()];
    let descendant =
        dictionary! { "Type" => "Font", "Subtype" => "CIDFontType2", "W" => widths, "DW" => 1000 };
    let font = dictionary! {
        "Type" => "Font", "Subtype" => "Type0", "BaseFont" => "X", "Encoding" => "Identity-H",
        "DescendantFonts" => vec![Object::from(descendant)], "ToUnicode" => to_unicode,
    };
    // "Go", moved by exactly its width and a quarter more: a space; then its width only: none.
    pdf.page(b"BT /F1 10 Tf <002A0052> Tj 12.5 0 Td <002A0052> Tj 10 0 Td <0056> Tj ET", with_font(font));
    assert_eq!(text_of(pdf), "Go Gos");
}

#[test]
fn fonts_without_any_mapping_are_reported_and_not_guessed() {
    let mut pdf = Pdf::new();
    let descendant = dictionary! { "Type" => "Font", "Subtype" => "CIDFontType2" };
    let font = dictionary! {
        "Type" => "Font", "Subtype" => "Type0", "BaseFont" => "X", "Encoding" => "Identity-H",
        "DescendantFonts" => vec![Object::from(descendant)],
    };
    pdf.page(b"BT /F1 10 Tf <002A0052> Tj ET", with_font(font));
    let error = extract(Kind::Pdf, &pdf.bytes(), &Limits::default()).expect_err("unmapped");
    assert_eq!(error.code(), "DOCUMENT_UNSUPPORTED");
}

#[test]
fn forms_fields_and_actual_text_are_read() {
    let mut pdf = Pdf::new();
    let form = |content: &str| {
        let dictionary = dictionary! {
            "Type" => "XObject", "Subtype" => "Form", "Resources" => with_font(helvetica()),
            "Matrix" => vec![1.into(), 0.into(), 0.into(), 1.into(), 0.into(), (-100).into()],
        };
        Stream::new(dictionary, content.as_bytes().to_vec())
    };
    let inner = pdf.document.add_object(form("BT /F1 12 Tf 72 700 Td (inside a form) Tj ET"));
    let field = pdf.document.add_object(form("BT /F1 12 Tf (filled in) Tj ET"));
    let mut resources = with_font(helvetica());
    resources.set("XObject", dictionary! { "Fm1" => inner });
    let content =
        b"BT /F1 12 Tf 72 700 Td /Span << /ActualText (meant) >> BDC (drawn) Tj (twice) Tj EMC ET /Fm1 Do";
    let page = pdf.page(content, resources);
    let annotation = dictionary! {
        "Type" => "Annot", "Subtype" => "Widget", "Rect" => vec![72.into(), 300.into(), 200.into(), 320.into()],
        "AP" => dictionary! { "N" => field },
    };
    let page = pdf.document.get_object_mut(page).and_then(Object::as_dict_mut).expect("page");
    page.set("Annots", vec![Object::from(annotation)]);
    assert_eq!(text_of(pdf), "meant\n\ninside a form\n\nfilled in");
}

#[test]
fn resources_are_inherited_from_the_page_tree() {
    let mut pdf = Pdf::new();
    let page = pdf.page(b"BT /F1 12 Tf (inherited) Tj ET", dictionary! {});
    let branch = pdf.document.add_object(dictionary! {
        "Type" => "Pages", "Parent" => pdf.root, "Count" => 1, "Kids" => vec![Object::from(page)],
        "Resources" => with_font(helvetica()),
    });
    let page = pdf.document.get_object_mut(page).and_then(Object::as_dict_mut).expect("page");
    page.set("Parent", branch);
    page.remove(b"Resources");
    pdf.kids = vec![branch.into()];
    assert_eq!(text_of(pdf), "inherited");
}

#[test]
fn damage_in_one_page_leaves_the_rest() {
    let mut pdf = Pdf::new();
    pdf.page(b"BT /F1 12 Tf (before) Tj ]]]> (never) Tj ET", with_font(helvetica()));
    pdf.page(b"BT /F1 12 Tf (after) Tj ET", with_font(helvetica()));
    assert_eq!(text_of(pdf), "before\n\nafter");
}
