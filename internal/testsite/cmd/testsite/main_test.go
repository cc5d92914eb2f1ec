package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestServesUntilStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error)
	go func() { ended <- run(ctx, []string{"-pages", "9", "-hosts", "2"}, in, io.Discard) }()
	lines := bufio.NewScanner(out)
	for range 2 {
		lines.Scan()
		resp, err := http.Get(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", lines.Text(), resp.Status)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWrongFlagsAreAnError(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"not defined": {"-no-such-flag"},
		"Hosts (999)": {"-hosts", "999"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}
