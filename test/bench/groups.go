package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// group is figures that are measured together, because they share what is slow
// to set up.
type group struct {
	figures []string // names, in the order of the report
	run     func(context.Context, bed) ([]figure, error)
}

// groups run one after the other: two at a time would measure each other.
func groups() []group {
	return []group{
		{[]string{"render.fleet.change", "render.fleet.rss"}, measureRender},
		{[]string{"sync.publish.10k"}, measurePublish},
		{[]string{"sync.poll.bytes", "sync.poll.cpu", "sync.fetch.bytes", "sync.status.cpu"}, measureEndpoint},
		{[]string{"agent.apply.1k", "agent.change.1of1k", "agent.drift.heal", "agent.idle.calls", "agent.rss.1k"}, measureAgent},
	}
}

// measure gives the figures that options ask for, in the order of groups. What
// could not be measured is missing, and is an error.
func measure(ctx context.Context, options options, progress io.Writer) (figures []figure, err error) {
	var failures []error
	for _, group := range groups() {
		wanted := slices.DeleteFunc(slices.Clone(group.figures), func(name string) bool {
			return options.only != nil && !options.only.MatchString(name)
		})
		if len(wanted) == 0 {
			continue
		}
		if ctx.Err() != nil {
			return figures, ctx.Err()
		}
		fmt.Fprintf(progress, "measuring %v\n", wanted)
		measured, err := inBed(ctx, options.quick, group.run)
		if err != nil {
			failures = append(failures, fmt.Errorf("measure %v: %w", wanted, err))
			continue
		}
		for _, f := range measured {
			if slices.Contains(wanted, f.Name) {
				figures = append(figures, f)
			}
		}
	}
	return figures, errors.Join(failures...)
}

// inBed runs a group with a directory of its own and removes that.
func inBed(ctx context.Context, quick bool, run func(context.Context, bed) ([]figure, error)) (figures []figure, err error) {
	dir, err := os.MkdirTemp("", "branchline-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return run(ctx, bed{dir: dir, quick: quick})
}
