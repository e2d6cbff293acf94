package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	stdsync "sync"
	"time"

	"golang.org/x/term"

	"branchline.dev/branchline/cmd/internal/fleet"
	"branchline.dev/branchline/cmd/internal/output"
)

// screen shows the demo to a person: a line per step, and below it a live table
// of the clusters if the output is a terminal.
type screen struct {
	out     io.Writer
	format  output.Format
	live    bool
	env     *environment
	started time.Time

	mu    stdsync.Mutex
	drawn int // lines of the live part on the screen now
}

func newScreen(options Options, env *environment) *screen {
	s := &screen{out: options.Out, format: options.Format, env: env, started: time.Now()}
	if file, ok := options.Out.(*os.File); ok {
		s.live = options.Format == output.TableFormat && term.IsTerminal(int(file.Fd()))
	}
	return s
}

// begin shows that a step is under way until the returned function is called.
func (s *screen) begin(ctx context.Context, name string) (stop func()) {
	if !s.live {
		return func() {}
	}
	return s.animate(ctx, "… "+name)
}

// animate redraws the live part until it is stopped.
func (s *screen) animate(ctx context.Context, headline string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var finished stdsync.WaitGroup
	finished.Go(func() {
		ticker := time.NewTicker(500 * time.Millisecond)
		defer ticker.Stop()
		for {
			s.draw(headline + "\n\n" + s.table(ctx))
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
	return func() {
		cancel()
		finished.Wait()
		s.draw("")
	}
}

// draw replaces the live part.
func (s *screen) draw(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", s.drawn) // up, and clear to the end
	}
	b.WriteString(text)
	s.drawn = strings.Count(text, "\n")
	io.WriteString(s.out, b.String())
}

func (s *screen) table(ctx context.Context) string {
	clusters, err := s.env.clusters(ctx)
	if err != nil || len(clusters) == 0 {
		return ""
	}
	var b bytes.Buffer
	if err := output.Write(&b, output.TableFormat, nil, func() output.Table { return clip(fleet.Summary(clusters, time.Now())) }); err != nil {
		return ""
	}
	return b.String()
}

// clip keeps a row on one line of a usual terminal, so that redrawing counts
// lines right.
func clip(table output.Table) output.Table {
	const widest = 40
	for _, row := range table.Rows {
		last := len(row) - 1
		if runes := []rune(row[last]); len(runes) > widest {
			row[last] = string(runes[:widest-1]) + "…"
		}
	}
	return table
}

// done shows the outcome of a step.
func (s *screen) done(step Step) {
	if s.format != output.TableFormat {
		return
	}
	mark := "✓"
	if !step.OK {
		mark = "✗"
	}
	fmt.Fprintf(s.out, "%s %-46s %7.2f s\n", mark, step.Name, step.Seconds)
	if step.Detail != "" {
		fmt.Fprintf(s.out, "    %s\n", step.Detail)
	}
}

// report writes the outcome for programs.
func (s *screen) report(report Report) error {
	if s.format == output.TableFormat {
		return nil
	}
	return output.Write(s.out, s.format, report, nil)
}

// invite says what to try next.
func (s *screen) invite() {
	if s.format != output.TableFormat {
		return
	}
	env := s.env
	fmt.Fprintf(s.out, "\nEverything runs. Try in another terminal:\n\n")
	fmt.Fprintf(s.out, "  git clone %s\n", env.cloneURL())
	fmt.Fprintf(s.out, "  %s status --repository %s\n", env.options.Self, env.cloneURL())
	clusters, err := env.clusters(context.Background())
	if err != nil {
		return
	}
	for _, c := range clusters {
		fmt.Fprintf(s.out, "  %s kubectl --kubeconfig %s get pods --all-namespaces   # %s\n", env.options.ControlPlane, env.kubeconfig(c.Name), c.Name)
	}
	fmt.Fprintf(s.out, "\nThe repository's README.md lists changes to make. Ctrl-C ends the demo")
	if env.temporary && !env.options.Keep {
		fmt.Fprintf(s.out, " and removes everything.\n\n")
	} else {
		fmt.Fprintf(s.out, "; %s stays.\n\n", env.dir)
	}
}

// watch shows the clusters until ctx ends. Without a terminal it prints the
// table each time a state changes.
func (s *screen) watch(ctx context.Context) {
	if s.live {
		stop := s.animate(ctx, fmt.Sprintf("running since %s", s.started.Format(time.TimeOnly)))
		<-ctx.Done()
		stop()
		return
	}
	var last string
	for ctx.Err() == nil {
		if clusters, err := s.env.clusters(ctx); err == nil && states(clusters) != last && s.format == output.TableFormat {
			last = states(clusters)
			io.WriteString(s.out, s.table(ctx)+"\n")
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func states(clusters []fleet.Cluster) string {
	var b strings.Builder
	for _, c := range clusters {
		fmt.Fprintf(&b, "%s %s %d/%d %s\n", c.Name, c.State, c.Applied, c.Desired, c.Message)
	}
	return b.String()
}
