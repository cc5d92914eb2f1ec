package crawler

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestRequestSurvivesThePayload(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Request{
		"plain link": {URL: "https://example.com/a?b=1&c=<2>", Route: "detail", Depth: 3},
		"everything": {
			URL: "https://example.com/\\\"é\u2028", Route: "r", Method: "POST", Header: http.Header{"X-A": {"1", "2"}},
			Body: []byte{0, 1, 0xff}, With: json.RawMessage(`{"category":"a"}`), Depth: 1, Hops: 2, Seed: "other.example",
		},
	} {
		payload := want.AppendPayload(nil)
		if !json.Valid(payload) {
			t.Errorf("%s: no JSON: %s", name, payload)
		}
		got, err := DecodePayload(payload)
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, want)
		}
	}
}

func TestPayloadOfAFollowedLinkIsLean(t *testing.T) {
	t.Parallel()
	req := Request{URL: "https://example.com/catalogue/page-2.html", Route: "listing", Depth: 12}
	if extra := len(req.AppendPayload(nil)) - len(req.URL); extra > 48 {
		t.Errorf("the payload is %d bytes beyond its URL, more than 48: %s", extra, req.AppendPayload(nil))
	}
}

func TestForeignPayloadsAreRefused(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		``:                                   "payload: unexpected end",
		`nonsense`:                           "payload: invalid character",
		`[]`:                                 "payload: json: cannot unmarshal array",
		`{}`:                                 "no version",
		`{"v":1,"r":"a"}`:                    "no URL",
		`{"v":1,"u":"https://a/"}`:           "no route",
		`{"v":2,"u":"https://a/","r":"a"}`:   "newer version",
		`{"v":1,"u":5,"r":"a"}`:              "payload: json: cannot unmarshal number",
		`{"v":1,"u":"https://a/","b":"%%%"}`: "payload: illegal base64",
	} {
		_, err := DecodePayload([]byte(payload))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", payload, err, want)
		}
	}
	_, err := DecodePayload([]byte(`{"v":7}`))
	if !errors.Is(err, errNewerPayload) {
		t.Errorf("a newer payload is not told apart: %v", err)
	}
}

func FuzzDecodePayloadNeverPanics(f *testing.F) {
	f.Add([]byte(`{"v":1,"u":"https://a/","r":"a","w":{"x":[1]}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		req, err := DecodePayload(payload)
		if err != nil {
			return
		}
		if again, err := DecodePayload(req.AppendPayload(nil)); err != nil {
			t.Errorf("%s: decoded, but what it encodes to is not: %v (%+v)", payload, err, again)
		}
	})
}
