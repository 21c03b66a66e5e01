//! Plays about the book.
