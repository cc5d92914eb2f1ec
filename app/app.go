package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/crawler"
)

// Main runs the command with the spiders compiled in, and exits. The first SIGINT or SIGTERM has a crawl finish what is
// under way; the second ends the process at once.
func Main(spiders ...crawler.Spider) {
	ctx, stop := onSignals(context.Background(), os.Stderr)
	code := Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, spiders...)
	stop()
	os.Exit(code)
}

// Run runs the command with the arguments, without the program's name in front, and returns the exit code. When ctx ends, a crawl
// finishes what is under way and Run returns 11.
func Run(ctx context.Context, args []string, in io.Reader, out, err io.Writer, spiders ...crawler.Spider) int {
	p := &program{in: in, out: out, screen: newScreen(err), spiders: spiders, getenv: os.Getenv}
	return p.run(ctx, args)
}

// program is one run of the command.
type program struct {
	in      io.Reader
	out     io.Writer // items and answers
	screen  *screen   // logs, progress and errors
	spiders []crawler.Spider
	getenv  func(string) string
}

func (p *program) run(ctx context.Context, args []string) int {
	root := p.rootCommand()
	root.SetArgs(append([]string{}, args...)) // cobra takes os.Args for nil
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.screen)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	code := codeOf(ctx, err)
	if text := messageOf(err); text != "" {
		fmt.Fprintf(p.screen, "%s: %s\n", cmd.CommandPath(), text)
	}
	var exit *exitError
	if errors.As(err, &exit) && exit.last != "" {
		fmt.Fprintln(p.screen, exit.last)
	}
	return code
}

func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "lycosa",
		Short: "A crawler: in one process, or many on one Redis",
		Long: `lycosa crawls web sites, in one process without any server, or in as many as you
start on one Redis. A spider says what to crawl and what to take from each page.`,
		Example: `  lycosa demo                                  see it work: no server, no network
  lycosa crawl books.yaml -o books.jsonl       crawl with a spider in YAML
  lycosa worker books.yaml --redis redis://localhost
                                               join a fleet; start as many as you like
  lycosa seed books.yaml --redis redis://localhost
                                               give the fleet something to do
  lycosa status books --redis redis://localhost`,
		Version:           buildVersion().String(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := ""
			if near := nearest(args[0], verbs(cmd)); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			return usagef("unknown command %q%s (see lycosa --help)", args[0], hint)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("lycosa {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(
		&cobra.Group{ID: "crawl", Title: "Crawl:"},
		&cobra.Group{ID: "look", Title: "Look and steer:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			c.DisableFlagsInUseLine = true
			c.Flags().SortFlags = false
			root.AddCommand(c)
		}
	}
	add("crawl", p.demoCommand(), p.crawlCommand(), p.workerCommand(), p.seedCommand(), p.importCommand())
	add("look", p.statusCommand(), p.changesCommand(), p.listCommand(), p.whyCommand(), p.hintCommand(), p.deadCommand(), p.pauseCommand(), p.resumeCommand(), p.purgeCommand(), p.fetchCommand(), p.simulateCommand())
	add("", p.fingerprintCommand(), p.learnCommand(), p.chaosCommand(), p.versionCommand())
	return root
}

func verbs(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// argRange refuses a wrong number of arguments; most < 0 is no limit. what names them.
func argRange(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least && len(args) == 0:
			return usagef("%s is missing (see %s --help)", what, cmd.CommandPath())
		case len(args) < least:
			return usagef("want %s (see %s --help)", what, cmd.CommandPath())
		case most == 0 && len(args) > 0:
			return usagef("takes no argument, but there is %q", args[0])
		case most > 0 && len(args) > most:
			return usagef("one argument too many: %q (see %s --help)", args[most], cmd.CommandPath())
		}
		return nil
	}
}

// nearest returns the name closest to what was typed, or "" if none is close.
func nearest(typed string, names []string) string {
	best, distance := "", max(2, len(typed)/3)+1
	for _, name := range names {
		d := editDistance(strings.ToLower(typed), strings.ToLower(name))
		if len(typed) > 1 && strings.HasPrefix(name, typed) {
			d = min(d, 1)
		}
		if d < distance && d < len(name) {
			best, distance = name, d
		}
	}
	return best
}

// editDistance is Levenshtein's, over bytes, of texts cut to 64.
func editDistance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
