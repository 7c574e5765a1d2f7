//! The page tree.

use std::collections::HashSet;

use lopdf::{Dictionary, Document, Object, ObjectId};

use crate::ExtractError;
use crate::limits::Watch;

/// Nesting of a page tree; writers build them balanced, so a few levels are enough for any book.
const MAX_DEPTH: usize = 64;

/// A page and the resources it names or inherits.
pub(crate) struct Page<'a> {
    pub(crate) dictionary: &'a Dictionary,
    pub(crate) resources: Option<&'a Dictionary>,
}

/// The pages in reading order.
pub(crate) fn collect<'a>(document: &'a Document, watch: &Watch<'_>) -> Result<Vec<Page<'a>>, ExtractError> {
    let root = document
        .catalog()
        .and_then(|catalog| catalog.get(b"Pages"))
        .and_then(Object::as_reference)
        .map_err(|_| ExtractError::corrupt("it has no page tree"))?;
    let mut walk = Walk { document, watch, branches: HashSet::new(), pages: Vec::new() };
    walk.visit(root, None, 0)?;
    Ok(walk.pages)
}

struct Walk<'a, 'w> {
    document: &'a Document,
    watch: &'w Watch<'w>,
    branches: HashSet<ObjectId>,
    pages: Vec<Page<'a>>,
}

// === impl Walk ===

impl<'a> Walk<'a, '_> {
    fn visit(
        &mut self,
        id: ObjectId,
        inherited: Option<&'a Dictionary>,
        depth: usize,
    ) -> Result<(), ExtractError> {
        self.watch.check_time()?;
        let Ok(node) = self.document.get_dictionary(id) else {
            // A damaged branch costs its own pages and not the document.
            return Ok(());
        };
        let resources = resolve(self.document, node, b"Resources").or(inherited);
        let Ok(kids) = node.get_deref(b"Kids", self.document).and_then(Object::as_array) else {
            if self.pages.len() >= self.watch.limits.max_pages {
                let limit = self.watch.limits.max_pages as u64;
                return Err(ExtractError::TooLarge { what: "page count".into(), limit });
            }
            self.pages.push(Page { dictionary: node, resources });
            return Ok(());
        };
        if depth >= MAX_DEPTH {
            return Err(ExtractError::bomb(format!("its page tree is nested deeper than {MAX_DEPTH}")));
        }
        if !self.branches.insert(id) {
            return Err(ExtractError::bomb("its page tree contains itself"));
        }
        for kid in kids.iter().filter_map(|kid| kid.as_reference().ok()) {
            self.visit(kid, resources, depth + 1)?;
        }
        Ok(())
    }
}

/// The dictionary under `key`, written in place or referred to.
pub(crate) fn resolve<'a>(
    document: &'a Document,
    parent: &'a Dictionary,
    key: &[u8],
) -> Option<&'a Dictionary> {
    parent.get_deref(key, document).and_then(Object::as_dict).ok()
}
