package testsite

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Tree serves a file system as a web. HTML goes out as text/html without a charset, so that a page's own words
// decide; a folder is a 404, with a slash at its end too.
type Tree struct {
	files  fs.FS
	origin string

	server  *http.Server
	serving sync.WaitGroup
	answers gate

	mu       sync.Mutex // guards what follows
	hits     map[string]int
	statuses map[string]int
	edits    map[string][]byte // contents by path, instead of the files'; nil: the site has no validators
}

// StartTree serves files until the test ends.
func StartTree(tb TB, files fs.FS) *Tree {
	tb.Helper()
	ls, err := listen(1, 0)
	if err != nil {
		tb.Fatal(err)
	}
	t := &Tree{files: files, origin: "http://" + ls[0].Addr().(*net.TCPAddr).String()}
	t.Reset()
	t.server = &http.Server{Handler: http.HandlerFunc(t.serve)}
	t.serving.Go(func() { _ = t.server.Serve(ls[0]) })
	tb.Cleanup(func() {
		_ = t.server.Close()
		t.serving.Wait()
		t.answers.shut()
	})
	return t
}

// URL returns the URL of a path, which begins with a slash.
func (t *Tree) URL(p string) string { return t.origin + p }

// Hits returns how often each path was asked for; robots.txt is one like others.
func (t *Tree) Hits() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.hits)
}

// Paths returns the paths, sorted, that were answered with a status.
func (t *Tree) Paths(status int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var paths []string
	for p, s := range t.statuses {
		if s == status {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}

// Repeated returns the paths, sorted, that were asked for more than once.
func (t *Tree) Repeated() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var paths []string
	for p, n := range t.hits {
		if n > 1 {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}

// Reset forgets what was asked for.
func (t *Tree) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hits, t.statuses = map[string]int{}, map[string]int{}
}

func (t *Tree) serve(w http.ResponseWriter, r *http.Request) {
	if !t.answers.enter() {
		return
	}
	defer t.answers.leave()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	name, body, err := t.read(r.URL.Path)
	status := http.StatusOK
	etag := ""
	if _, _, validators := t.edited(r.URL.Path); validators && err == nil {
		etag = fmt.Sprintf(`"%x"`, sha256.Sum256(body))[:18] + `"`
	}
	switch {
	case etag != "" && r.Header.Get("If-None-Match") == etag:
		status = http.StatusNotModified
	case errors.Is(err, fs.ErrNotExist):
		status = http.StatusNotFound
	case err != nil:
		status = http.StatusInternalServerError
	}
	t.count(r.URL.Path, status)
	if err != nil {
		http.Error(w, http.StatusText(status), status)
		return
	}
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	if status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", contentType(name))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// StartTreeWithValidators is StartTree for a site that sends entity tags and answers 304 to those who have a page already. Its files may
// be changed with Edit.
func StartTreeWithValidators(tb TB, files fs.FS) *Tree {
	tb.Helper()
	t := StartTree(tb, files)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.edits = map[string][]byte{}
	return t
}

// Edit has change make another content of a path's.
func (t *Tree) Edit(path string, change func(old []byte) []byte) error {
	_, body, err := t.read(path)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.edits[path] = change(body)
	return nil
}

// edited returns what a path was changed to, and whether the site has validators.
func (t *Tree) edited(path string) (body []byte, edited, validators bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	body, edited = t.edits[path]
	return body, edited, t.edits != nil
}

// read returns the file of a path. What is no path of a file does not exist.
func (t *Tree) read(p string) (name string, body []byte, err error) {
	name = strings.TrimPrefix(p, "/")
	if !fs.ValidPath(name) {
		return "", nil, fs.ErrNotExist
	}
	switch info, err := fs.Stat(t.files, name); {
	case err != nil:
		return "", nil, err
	case !info.Mode().IsRegular():
		return "", nil, fs.ErrNotExist
	}
	if body, ok, _ := t.edited(p); ok {
		return name, body, nil
	}
	body, err = fs.ReadFile(t.files, name)
	return name, body, err
}

func (t *Tree) count(p string, status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hits[p]++
	t.statuses[p] = status
}

// contentType goes by the name alone and the same everywhere; the table of package mime is the machine's.
func contentType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".html", ".htm":
		return "text/html"
	case ".css":
		return "text/css"
	case ".js":
		return "text/javascript"
	case ".txt":
		return "text/plain"
	case ".xml":
		return "application/xml"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".gif":
		return "image/gif"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".pdf":
		return "application/pdf"
	default:
		return "application/octet-stream"
	}
}
