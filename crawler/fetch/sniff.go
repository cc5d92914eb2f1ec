package fetch

import (
	"bytes"
	"net/http"
	"strings"
)

// IsHTML reports whether a page is HTML: because its Content-Type says so; because there is no usable Content-Type
// and it begins as HTML does; or because it is XML whose root is <html>. body may be its beginning alone.
func IsHTML(contentType string, body []byte) bool {
	switch kind := mediaType(contentType); {
	case kind == "text/html", kind == "application/xhtml+xml":
		return true
	case isUnknown(kind):
		return strings.HasPrefix(http.DetectContentType(body), "text/html")
	case kind == "text/xml", kind == "application/xml":
		return bytes.Contains(body[:min(len(body), 1024)], []byte("<html"))
	default:
		return false
	}
}

// IsText reports whether a page is text of any kind, so that [Text] makes sense of it: because its Content-Type says
// so, or because there is no usable Content-Type and it has no byte that text cannot have. body may be its beginning alone.
func IsText(contentType string, body []byte) bool {
	kind := mediaType(contentType)
	if isUnknown(kind) {
		return strings.HasPrefix(http.DetectContentType(body), "text/")
	}
	if strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+xml") || strings.HasSuffix(kind, "+json") {
		return true
	}
	switch kind {
	case "application/xml", "application/json", "application/javascript", "application/x-javascript", "application/ecmascript",
		"application/ld+json", "application/x-ndjson", "application/jsonlines", "application/yaml", "application/x-yaml",
		"application/sql", "application/csv", "application/x-www-form-urlencoded":
		return true
	}
	return false
}

// mediaType returns the type without its parameters, in lower case, however malformed the rest is.
func mediaType(contentType string) string {
	kind, _, _ := strings.Cut(contentType, ";")
	kind, _, _ = strings.Cut(kind, ",") // two headers joined
	return strings.ToLower(strings.TrimSpace(kind))
}

// isUnknown reports whether a media type says nothing: https://mimesniff.spec.whatwg.org.
func isUnknown(kind string) bool {
	return !strings.Contains(kind, "/") || kind == "*/*" || kind == "unknown/unknown" || kind == "application/unknown"
}
