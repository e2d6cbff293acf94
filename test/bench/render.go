package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

// fleetTimes is what the rendering process says of itself.
type fleetTimes struct {
	Total   float64 // ms, from the source commit to the last ref
	Publish float64 // ms of that for objects, pack and refs
}

// measureRender measures a fleet that is small enough for a renderer that renders
// each cluster anew. The budgets are for 10,000 clusters: what 60 take says
// nothing about them, so these figures have none until the full size is run.
func measureRender(ctx context.Context, b bed) ([]figure, error) {
	clusters := b.size(60, 5)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, roleRender, b.path("tenant.git"), strconv.Itoa(clusters))
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("render a fleet: %w", err)
	}
	var took fleetTimes
	if err := json.Unmarshal(out, &took); err != nil {
		return nil, fmt.Errorf("render a fleet: %w", err)
	}
	peak, err := peakMemory(command.ProcessState)
	if err != nil {
		return nil, err
	}
	size := fmt.Sprintf("of %d clusters x %d layers", clusters, fleetLayers)
	note := "the budget is for 10,000 clusters; the renderer still renders every cluster anew, so a smaller fleet was run and not judged"
	return []figure{
		newFigure("render.fleet.change", took.Total/float64(clusters), "ms a cluster, "+size).
			beside(took.Publish/float64(clusters), "its part for objects, pack and refs").noting(note),
		newFigure("render.fleet.rss", peak, "MiB, "+size).noting(note),
	}, nil
}

// peakMemory is the largest resident set of a process that has ended, in MiB.
func peakMemory(state *os.ProcessState) (float64, error) {
	used, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, fmt.Errorf("%s does not tell how much memory a process used", runtime.GOOS)
	}
	if runtime.GOOS == "darwin" { // bytes there, KiB elsewhere: getrusage(2)
		return float64(used.Maxrss) / (1 << 20), nil
	}
	return float64(used.Maxrss) / (1 << 10), nil
}
