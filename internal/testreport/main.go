// Command testreport reads the output of `go test -json` and says what ran: a line for each package, the output of
// each test that failed, and at the end the totals and every skipped test with its reason. So a run in which half the
// tests skip does not look like one in which they pass. It exits with 1 when anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	ok, err := report(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

// event is one line of the stream; see `go doc test2json` and `go help buildjson`.
type event struct {
	Action  string  `json:"Action"`
	Package string  `json:"Package"`
	Test    string  `json:"Test"`
	Output  string  `json:"Output"`
	Elapsed float64 `json:"Elapsed"` // seconds
}

type testID struct{ pkg, name string }

type tally struct{ pass, fail, skip int }

// report copies the gist of the stream to out. It is not ok when a test, a package or a build failed, or when
// there was nothing to run.
func report(in io.Reader, out io.Writer) (ok bool, err error) {
	var (
		w       = bufio.NewWriter(out)
		output  = map[testID]*strings.Builder{} // of what runs, and of packages under an empty name
		byPkg   = map[string]*tally{}
		total   tally
		skipped []string
		failed  bool
	)
	lines := bufio.NewReader(in)
	for {
		line, readErr := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				e = event{Action: "build-output", Output: line} // older parts of the tool chain write plain text
			}
			id := testID{e.Package, e.Test}
			if byPkg[e.Package] == nil {
				byPkg[e.Package] = &tally{}
			}
			switch {
			case e.Action == "build-output":
				fmt.Fprint(w, e.Output)
			case e.Action == "build-fail":
				failed = true
			case e.Action == "output":
				if output[id] == nil {
					output[id] = &strings.Builder{}
				}
				output[id].WriteString(e.Output)
			case e.Test != "" && e.Action == "pass":
				byPkg[e.Package].pass++
				total.pass++
				delete(output, id)
			case e.Test != "" && e.Action == "skip":
				byPkg[e.Package].skip++
				total.skip++
				skipped = append(skipped, fmt.Sprintf("  %s %s: %s", e.Package, e.Test, reason(output[id])))
				delete(output, id)
			case e.Test != "" && e.Action == "fail":
				byPkg[e.Package].fail++
				total.fail++
				failed = true
				if output[id] != nil {
					fmt.Fprint(w, output[id])
				}
				delete(output, id)
			case e.Action == "pass" || e.Action == "fail" || e.Action == "skip": // of a package
				if e.Action == "fail" {
					failed = true
					printUnfinished(w, output, e.Package)
				}
				delete(output, testID{e.Package, ""})
				printPackage(w, e, *byPkg[e.Package])
			}
			w.Flush()
		}
		if errors.Is(readErr, io.EOF) {
			break
		}
		if readErr != nil {
			return false, readErr
		}
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", total.pass, total.fail, total.skip)
	for _, s := range skipped {
		fmt.Fprintln(w, s)
	}
	return !failed && total.pass > 0, w.Flush()
}

// printUnfinished prints what a failed package wrote, and what those of its tests wrote that never ended: where a
// panic or a timeout is.
func printUnfinished(w io.Writer, output map[testID]*strings.Builder, pkg string) {
	for id, text := range output {
		if id.pkg == pkg {
			fmt.Fprint(w, text)
			delete(output, id)
		}
	}
}

func printPackage(w io.Writer, e event, t tally) {
	mark := map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "-   "}[e.Action]
	what := "no tests"
	if t != (tally{}) {
		what = fmt.Sprintf("%d passed", t.pass)
		if t.fail > 0 {
			what += fmt.Sprintf(", %d failed", t.fail)
		}
		if t.skip > 0 {
			what += fmt.Sprintf(", %d skipped", t.skip)
		}
	}
	fmt.Fprintf(w, "%s %s  %s  %.1fs\n", mark, e.Package, what, e.Elapsed)
}

// reason is what a skipped test said, without the lines of the framework.
func reason(output *strings.Builder) string {
	if output == nil {
		return "no reason given"
	}
	var said []string
	for line := range strings.Lines(output.String()) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			said = append(said, line)
		}
	}
	if len(said) == 0 {
		return "no reason given"
	}
	return strings.Join(said, " ")
}
