package testsite

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Roots of the documentation within Debian's packages.
const (
	PostgreSQL = "postgresql-doc-15/usr/share/doc/postgresql-doc-15/html"
	SQLite     = "sqlite3-doc/usr/share/doc/sqlite3"
)

// Docs returns the files of one of the packages that scripts/docs.sh unpacks, PostgreSQL or SQLite. Their start
// page is index.html. The folder is .cache/docs beside go.mod, or LYCOSA_DOCS; the test is skipped where the
// package is not there.
func Docs(tb TB, root string) fs.FS {
	tb.Helper()
	docs := os.Getenv("LYCOSA_DOCS")
	if docs == "" {
		docs = filepath.Join(moduleRoot(tb), ".cache", "docs")
	}
	dir := filepath.Join(docs, filepath.FromSlash(root))
	if _, err := os.Stat(filepath.Join(dir, "index.html")); err != nil {
		tb.Skipf("no documentation to crawl: run scripts/docs.sh (%v)", err)
	}
	return os.DirFS(dir)
}

// moduleRoot is the folder of go.mod above the working directory.
func moduleRoot(tb TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			tb.Fatal("no go.mod above the working directory")
		}
		dir = up
	}
}
