//! Plays about the book.

use super::*;
use bytes::Bytes;

fn put(table: Table, key: &str, value: &str) -> BookWrite {
    BookWrite::Put {
        table,
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
    }
}

fn insert(table: Table, key: &str, value: &str) -> BookWrite {
    BookWrite::Insert {
        table,
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
    }
}

fn delete(table: Table, key: &str) -> BookWrite {
    BookWrite::Delete {
        table,
        key: Bytes::copy_from_slice(key.as_bytes()),
    }
}

fn delete_prefix(table: Table, prefix: &str) -> BookWrite {
    BookWrite::DeletePrefix {
        table,
        prefix: Bytes::copy_from_slice(prefix.as_bytes()),
    }
}

fn get(table: Table, key: &str) -> BookRead {
    BookRead::Get {
        table,
        key: Bytes::copy_from_slice(key.as_bytes()),
    }
}

fn prefix(table: Table, prefix: &str, after: &str, rows_max: u32) -> BookRead {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    BookRead::Prefix {
        table,
        prefix: bytes(prefix),
        after: bytes(after),
        rows_max,
    }
}

fn text(rows: &[Row]) -> Vec<String> {
    let line = |row: &Row| {
        format!(
            "{}={}",
            String::from_utf8_lossy(&row.key),
            String::from_utf8_lossy(&row.value)
        )
    };
    rows.iter().map(line).collect()
}

fn answers(replies: &[(usize, BookReply)]) -> Vec<String> {
    let line = |(shard, reply): &(usize, BookReply)| match reply {
        BookReply::Rows { token, results } => {
            format!("{shard}:{token} {:?}", text(&results.concat()))
        }
        BookReply::Written { token } => format!("{shard}:{token} written"),
        BookReply::Exists { token } => format!("{shard}:{token} exists"),
        BookReply::Failed { token, error } => format!("{shard}:{token} failed {error}"),
    };
    replies.iter().map(line).collect()
}

fn everything(book: &BookCore) -> Vec<Vec<String>> {
    let tables = [
        Table::Account,
        Table::Roster,
        Table::Block,
        Table::Document,
        Table::Vcard,
        Table::Meta,
        Table::Room,
        Table::Pubsub,
        Table::Token,
        Table::Push,
        Table::Upload,
        Table::Setting,
    ];
    let reads: Vec<_> = tables
        .into_iter()
        .map(|table| prefix(table, "", "", u32::MAX))
        .collect();
    book.read(&reads).unwrap().iter().map(|rows| text(rows)).collect()
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("crosspoint-book-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn the_numbers_of_the_tables_and_their_names_are_on_disk_for_ever() {
    let tables = [
        Table::Account,
        Table::Roster,
        Table::Block,
        Table::Document,
        Table::Vcard,
        Table::Meta,
        Table::Room,
        Table::Pubsub,
        Table::Token,
        Table::Push,
        Table::Upload,
        Table::Setting,
    ];
    let names = [
        "account", "roster", "block", "document", "vcard", "meta", "room", "pubsub", "token", "push", "upload",
        "setting",
    ];
    for (at, (table, name)) in tables.into_iter().zip(names).enumerate() {
        assert_eq!(table as usize, at + 1);
        assert_eq!(redb::TableHandle::name(&DEFINITIONS[table::index(table)]), name);
    }
}

#[test]
fn a_group_is_answered_in_order_and_each_read_sees_what_stands_before_it() {
    let mut book = BookCore::in_memory().unwrap();
    let read = |token| BookRequest::Read {
        token,
        reads: vec![get(Table::Account, "juliet")],
    };
    let write = |token, write| BookRequest::Write {
        token,
        batch: vec![write],
    };
    let replies = book.serve(vec![
        (0, read(1)),
        (0, write(2, put(Table::Account, "juliet", "1"))),
        (1, read(3)),
        (0, write(4, put(Table::Account, "juliet", "2"))),
        (0, read(5)),
        (0, write(6, delete(Table::Account, "juliet"))),
        (0, read(7)),
    ]);
    let expected = [
        "0:1 []",
        "0:2 written",
        "1:3 [\"juliet=1\"]",
        "0:4 written",
        "0:5 [\"juliet=2\"]",
        "0:6 written",
        "0:7 []",
    ];
    assert_eq!(answers(&replies), expected);
    assert_eq!(
        book.stats().commits.load(Relaxed),
        2,
        "one for the group, one when the book was made"
    );
}

#[test]
fn a_group_of_reads_costs_no_commit() {
    let mut book = BookCore::in_memory().unwrap();
    let commits = book.stats().commits.load(Relaxed);
    book.serve(vec![(
        0,
        BookRequest::Read {
            token: 1,
            reads: vec![get(Table::Vcard, "juliet")],
        },
    )]);
    assert_eq!(book.stats().commits.load(Relaxed), commits);
}

#[test]
fn a_batch_whose_insert_finds_its_key_leaves_no_trace_and_its_neighbours_are_written() {
    let mut book = BookCore::in_memory().unwrap();
    let batch = [
        put(Table::Roster, "j\0romeo", "both"),
        put(Table::Roster, "j\0nurse", "to"),
        put(Table::Vcard, "j", "V"),
    ];
    assert_eq!(book.write(&batch).unwrap(), Outcome::Written);
    let before = everything(&book);

    let doomed = vec![
        put(Table::Vcard, "j", "W"),
        delete(Table::Vcard, "j"),
        put(Table::Vcard, "new", "N"),
        delete_prefix(Table::Roster, "j\0"),
        put(Table::Roster, "j\0romeo", "none"),
        insert(Table::Roster, "j\0paris", "from"),
        delete(Table::Block, "not there"),
        insert(Table::Roster, "j\0romeo", "again"),
    ];
    let replies = book.serve(vec![
        (
            0,
            BookRequest::Write {
                token: 1,
                batch: doomed,
            },
        ),
        (
            1,
            BookRequest::Write {
                token: 2,
                batch: vec![put(Table::Block, "b", "")],
            },
        ),
    ]);
    assert_eq!(answers(&replies), ["0:1 exists", "1:2 written"]);
    let mut expected = before;
    expected[2].push("b=".to_owned());
    assert_eq!(everything(&book), expected);
}

#[test]
fn a_batch_may_delete_a_key_and_insert_it_again() {
    let mut book = BookCore::in_memory().unwrap();
    book.write(&[put(Table::Account, "juliet", "1")]).unwrap();
    let batch = [delete(Table::Account, "juliet"), insert(Table::Account, "juliet", "2")];
    assert_eq!(book.write(&batch).unwrap(), Outcome::Written);
    assert_eq!(
        text(&book.read(&[get(Table::Account, "juliet")]).unwrap()[0]),
        ["juliet=2"]
    );
}

#[test]
fn a_prefix_is_read_page_by_page_in_the_order_of_the_keys() {
    let mut book = BookCore::in_memory().unwrap();
    let keys = ["a", "j\0", "j\0benvolio", "j\0nurse", "j\0romeo", "j\x01", "k"];
    let batch: Vec<_> = keys.iter().map(|key| put(Table::Roster, key, "1")).collect();
    book.write(&batch).unwrap();
    let page = |start: &str, after: &str, rows_max| {
        let rows = book
            .read(&[prefix(Table::Roster, start, after, rows_max)])
            .unwrap()
            .concat();
        rows.iter()
            .map(|row| String::from_utf8_lossy(&row.key).into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(page("j\0", "", 2), ["j\0", "j\0benvolio"]);
    assert_eq!(page("j\0", "j\0benvolio", 2), ["j\0nurse", "j\0romeo"]);
    assert_eq!(page("j\0", "j\0romeo", 2), Vec::<String>::new());
    assert_eq!(page("j\0", "a", 9), ["j\0", "j\0benvolio", "j\0nurse", "j\0romeo"]);
    assert_eq!(page("j\0", "k", 9), Vec::<String>::new());
    assert_eq!(page("j\0", "", 0), Vec::<String>::new());
    assert_eq!(page("", "", 99), keys);
}

#[test]
fn a_prefix_of_more_rows_than_one_page_is_deleted_whole() {
    let mut book = BookCore::in_memory().unwrap();
    let many: Vec<_> = (0..crate::limits::BOOK_ROWS_MAX + 10)
        .map(|n| put(Table::Block, &format!("j{n}"), ""))
        .collect();
    book.write(&many).unwrap();
    book.write(&[put(Table::Block, "k", ""), delete_prefix(Table::Block, "j")])
        .unwrap();
    assert_eq!(everything(&book)[2], ["k="]);
}

#[test]
fn a_row_is_replaced_only_if_it_is_the_one_that_was_read() {
    let mut book = BookCore::in_memory().unwrap();
    let replace = |key: &str, old: &str, value: &str| BookWrite::Replace {
        table: Table::Account,
        key: Bytes::copy_from_slice(key.as_bytes()),
        old: Bytes::copy_from_slice(old.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
    };
    book.write(&[put(Table::Account, "a", "1"), put(Table::Roster, "r", "1")])
        .unwrap();
    for refused in [
        replace("a", "0", "2"),
        replace("a", "", "2"),
        replace("b", "1", "2"),
        replace("b", "", "2"),
    ] {
        let outcome = book.write(&[delete(Table::Roster, "r"), refused.clone()]).unwrap();
        assert_eq!(outcome, Outcome::Exists, "{refused:?}");
        assert_eq!(
            (&everything(&book)[0][..], &everything(&book)[1][..]),
            (&["a=1".to_owned()][..], &["r=1".to_owned()][..])
        );
    }
    assert_eq!(book.write(&[replace("a", "1", "2")]).unwrap(), Outcome::Written);
    assert_eq!(everything(&book)[0], ["a=2"]);
}

#[test]
fn what_was_written_is_there_when_the_book_is_opened_again() {
    let folder = folder("reopen");
    let path = folder.join("book.redb");
    let mut book = BookCore::open(&path).unwrap();
    let batches: Vec<Vec<_>> = (0..20_000)
        .map(|n| vec![insert(Table::Account, &format!("user{n:05}"), "keys")])
        .collect();
    let outcomes = book.write_all(batches.iter().map(Vec::as_slice)).unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Written));
    drop(book);
    let mut book = BookCore::open(&path).unwrap();
    let outcomes = book
        .write_all([&batches[7][..], &[insert(Table::Account, "z", "")]])
        .unwrap();
    assert_eq!(outcomes, [Outcome::Exists, Outcome::Written]);
    assert_eq!(everything(&book)[0].len(), 20_001);
    drop(book);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_book_that_is_open_elsewhere_is_reported_as_in_use() {
    let folder = folder("busy");
    let path = folder.join("book.redb");
    let _book = BookCore::open(&path).unwrap();
    let error = BookCore::open(&path).unwrap_err();
    assert!(matches!(error, BookError::InUse(_)));
    assert!(error.to_string().contains("in use by another process"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_book_of_another_version_is_refused_with_both_versions_named() {
    let folder = folder("version");
    let path = folder.join("book.redb");
    let mut book = BookCore::open(&path).unwrap();
    let (key, value) = (Bytes::from_static(FORMAT_KEY), Bytes::from_static(&[9, 0, 0, 0]));
    book.write(&[BookWrite::Put {
        table: Table::Meta,
        key: key.clone(),
        value,
    }])
    .unwrap();
    drop(book);
    let error = BookCore::open(&path).unwrap_err().to_string();
    assert!(error.contains("version 9") && error.contains("version 1"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_is_no_book_is_an_error_and_stays_as_it_is() {
    let folder = folder("foreign");
    let path = folder.join("book.redb");
    std::fs::write(&path, "my precious diary, of more than a few bytes".repeat(20)).unwrap();
    assert!(matches!(BookCore::open(&path), Err(BookError::Database(_))));
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("my precious diary"));
    std::fs::remove_dir_all(folder).unwrap();
}
