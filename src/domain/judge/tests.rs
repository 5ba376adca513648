//! To come with its commit.
