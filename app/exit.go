package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// The exit codes; see the package documentation.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDeadLetters = 3
	exitRedis       = 8
	exitStore       = 9
	exitInterrupted = 11
	exitForced      = 13
)

// exitError ends the command with a code.
type exitError struct {
	code int
	err  error  // nil: all was said already
	last string // a line to follow the message, for those who read standard error's last one
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef is for what a person typed wrong.
func usagef(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// usage makes an error one of usage.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: exitUsage, err: err}
}

func codeOf(ctx context.Context, err error) int {
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return exitInterrupted
	case errors.Is(err, crawler.ErrItemStore), errors.Is(err, pipelines.ErrUnavailable):
		return exitStore
	case errors.Is(err, scheduler.ErrUnavailable):
		return exitRedis
	case errors.Is(err, crawler.ErrSpider), errors.As(err, new(*redisfrontier.SettingError)), errors.As(err, new(*redisfrontier.SchemaError)):
		return exitUsage
	default:
		return exitFailed
	}
}

// messageOf returns the one line to print, "" for none.
func messageOf(err error) string {
	var exit *exitError
	if errors.As(err, &exit) && exit.err == nil {
		return ""
	}
	return oneLine(err.Error())
}

// oneLine makes a text fit for one line of a terminal, whatever stands in it: line breaks become blanks, other control
// characters are written out.
func oneLine(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n' || r == '\t' || r == '\r':
			if !strings.HasSuffix(b.String(), " ") {
				b.WriteByte(' ')
			}
		case !unicode.IsPrint(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case !unicode.IsPrint(r): // directions and joiners can make a line read as another
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return strings.TrimSpace(b.String())
}

// flagError says what is wrong with a flag, and what would be right.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	hint := fmt.Sprintf(" (see %s --help)", cmd.CommandPath())
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return usagef("unknown flag %q%s", "-"+unknown.GetSpecifiedShortnames(), hint)
	case errors.As(err, &unknown):
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
			hint = fmt.Sprintf("; did you mean --%s?%s", near, hint)
		}
		return usagef("unknown flag %q%s", "--"+unknown.GetSpecifiedName(), hint)
	case errors.As(err, &missing):
		return usagef("--%s needs a value%s", missing.GetFlag().Name, hint)
	case errors.As(err, &invalid):
		return usagef("--%s %q: %s", invalid.GetFlag().Name, invalid.GetValue(), wanted(invalid))
	default:
		return usagef("%w%s", err, hint)
	}
}

// wanted says what a flag's value must look like.
func wanted(e *pflag.InvalidValueError) string {
	switch e.GetFlag().Value.Type() {
	case "bool":
		return "want true or false"
	case "duration":
		return "want a duration like 500ms, 10s or 2m"
	default:
		return e.Unwrap().Error()
	}
}
