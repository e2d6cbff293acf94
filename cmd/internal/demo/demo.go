// Package demo runs the whole system on one machine: a hub, a tenant repository
// made from examples/quickstart, two local clusters and their agents. It then
// does what people want to see first, and times it.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"branchline.dev/branchline/cmd/internal/output"
)

// Options say how the demo runs.
type Options struct {
	// Dir holds everything the demo makes. Empty: a temporary directory.
	Dir string
	// Keep leaves Dir in place; a later demo on it continues from there.
	Keep bool
	// Once ends the demo after the last step instead of waiting for ctx.
	Once bool
	// Format other than a table writes only the report, when the steps are done.
	Format output.Format
	// Version of Branchline.
	Version string
	// Self is this program; ControlPlane, Kwok and Agent are the others.
	Self, ControlPlane, Kwok, Agent string
	// Out gets what people read, or the report.
	Out io.Writer
}

// Report is the outcome of a demo.
type Report struct {
	OK    bool   `json:"ok"`
	Steps []Step `json:"steps"`
}

// Step is one thing that the demo did.
type Step struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Seconds that the step took, or, for a step that measures, what it measured.
	Seconds float64 `json:"seconds"`
	// Detail says what was seen, or why the step failed.
	Detail string `json:"detail,omitempty"`
}

// action does one step; it returns what it measured (0: the time of the whole
// step counts) and what was seen.
type action struct {
	name string
	do   func(context.Context) (measured time.Duration, detail string, err error)
}

// Run runs the demo. The report has every step, those that were not reached
// with OK false; the error says that the demo itself could not be set up or
// cleaned up.
func Run(ctx context.Context, options Options) (report Report, err error) {
	env, err := newEnvironment(options)
	if err != nil {
		return report, err
	}
	defer func() {
		if closeErr := env.close(); err == nil {
			err = closeErr
		}
	}()
	screen := newScreen(options, env)
	report = runSteps(ctx, screen, []action{
		{"start the hub", env.startHub},
		{"push the tenant repository", env.pushRepository},
		{"clusters come up", env.clustersUp},
		{"profiles applied and healthy", env.profilesHealthy},
		{"git push of a variable reaches both clusters", env.pushVariable},
		{"manual edit is healed", env.healEdit},
		{"broken profile is refused at the push", env.refuseBroken},
	})
	if err := screen.report(report); err != nil {
		return report, err
	}
	if report.OK && !options.Once {
		screen.invite()
		screen.watch(ctx)
	}
	return report, nil
}

func runSteps(ctx context.Context, screen *screen, actions []action) Report {
	report := Report{OK: true}
	for _, action := range actions {
		step := Step{Name: action.name}
		if !report.OK {
			step.Detail = "not reached"
			report.Steps = append(report.Steps, step)
			continue
		}
		stop := screen.begin(ctx, action.name)
		start := time.Now()
		measured, detail, err := action.do(ctx)
		if measured == 0 {
			measured = time.Since(start)
		}
		step.OK, step.Seconds, step.Detail = err == nil, roundSeconds(measured), detail
		if err != nil {
			step.Detail = err.Error()
			report.OK = false
			if errors.Is(ctx.Err(), context.Canceled) {
				step.Detail = "interrupted"
			}
		}
		stop()
		screen.done(step)
		report.Steps = append(report.Steps, step)
	}
	return report
}

func roundSeconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond)) / float64(time.Second)
}

// within bounds one step, so that a demo that hangs says where.
func within(ctx context.Context, limit time.Duration, what string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s within %s: gave up; see hub.log in the demo's directory (--keep)", what, limit))
}
