package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
		s.drawn = 0
	}
	for line := range strings.Lines(text) {
		b.WriteString(s.fit(line))
		s.drawn++
	}
	io.WriteString(s.out, b.String())
}

// fit cuts a line that would wrap: redrawing counts lines.
func (s *screen) fit(line string) string {
	file, ok := s.out.(*os.File)
	if !ok {
		return line
	}
	width, _, err := term.GetSize(int(file.Fd()))
	text := []rune(strings.TrimSuffix(line, "\n"))
	if err != nil || width < 2 || len(text) <= width-1 {
		return line
	}
	return string(text[:width-2]) + "…\n"
}

func (s *screen) table(ctx context.Context) string {
	clusters, err := s.env.clusters(ctx)
	if err != nil || len(clusters) == 0 {
		return ""
	}
	var b bytes.Buffer
	if err := output.Write(&b, output.TableFormat, nil, func() output.Table { return fleet.Summary(clusters, time.Now()) }); err != nil {
		return ""
	}
	return b.String()
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
	fmt.Fprintf(s.out, "%s %-46s %s\n", mark, step.Name, duration(step.Seconds))
	if step.Detail != "" {
		fmt.Fprintf(s.out, "    %s\n", step.Detail)
	}
}

func duration(seconds float64) string {
	if seconds < 1 {
		return fmt.Sprintf("%5.0f ms", seconds*1000)
	}
	return fmt.Sprintf("%5.2f s", seconds)
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
	fmt.Fprintf(s.out, "  export BRANCHLINE_REPOSITORY=%s\n", env.cloneURL())
	fmt.Fprintf(s.out, "  git clone $BRANCHLINE_REPOSITORY\n")
	fmt.Fprintf(s.out, "  %s status\n", shortest(env.options.Self))
	clusters, err := env.clusters(context.Background())
	if err != nil {
		return
	}
	for _, c := range clusters {
		fmt.Fprintf(s.out, "  %s kubectl --kubeconfig %s get pods -A\n", shortest(env.options.ControlPlane), env.kubeconfig(c.Name))
	}
	fmt.Fprintf(s.out, "\nThe repository's README.md lists changes to make. Ctrl-C ends the demo")
	if env.temporary && !env.options.Keep {
		fmt.Fprintf(s.out, " and removes everything.\n\n")
	} else {
		fmt.Fprintf(s.out, "; %s stays.\n\n", env.dir)
	}
}

// shortest names a program as it is typed in the current directory.
func shortest(program string) string {
	here, err := os.Getwd()
	if err != nil {
		return program
	}
	relative, err := filepath.Rel(here, program)
	if err != nil || len(relative) >= len(program) {
		return program
	}
	return relative
}

// watch shows the clusters until ctx ends, or the hub does. Without a terminal it prints the
// table each time a state changes.
func (s *screen) watch(ctx context.Context) {
	if s.live {
		stop := s.animate(ctx, fmt.Sprintf("running since %s", s.started.Format(time.TimeOnly)))
		select {
		case <-ctx.Done():
		case <-s.env.stopped:
		}
		stop()
		fmt.Fprintln(s.out, "\nstopping everything")
		return
	}
	var last string
	for running := true; running; {
		if clusters, err := s.env.clusters(ctx); err == nil && states(clusters) != last && s.format == output.TableFormat {
			last = states(clusters)
			io.WriteString(s.out, s.table(ctx)+"\n")
		}
		select {
		case <-ctx.Done():
			running = false
		case <-s.env.stopped:
			running = false
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
