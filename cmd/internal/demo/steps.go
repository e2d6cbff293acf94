package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"branchline.dev/branchline/cmd/internal/fleet"
	"branchline.dev/branchline/examples"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

const (
	profileFile = "profiles/web-platform.yaml"
	editedLayer = "web" // namespace and name of the Deployment that is edited by hand
	editedCount = 9
)

// pushRepository pushes the example, unless an earlier run has done so.
func (e *environment) pushRepository(ctx context.Context) (time.Duration, string, error) {
	ctx, cancel := within(ctx, time.Minute, "pushing the repository")
	defer cancel()
	var err error
	if e.clone, err = cloneInto(ctx, filepath.Join(e.dir, "clone"), e.cloneURL()); err != nil {
		return 0, "", err
	}
	switch _, err := e.repository.Tip(ctx, "refs/heads/main"); {
	case err == nil:
		return 0, "continuing the repository of an earlier run", nil
	case !errors.Is(err, sync.ErrRefNotFound):
		return 0, "", err
	}
	files, err := examples.Files(tenantName)
	if err != nil {
		return 0, "", err
	}
	if err := e.clone.copy(files); err != nil {
		return 0, "", err
	}
	commit, err := e.clone.push(ctx, "Two clusters and a profile")
	if err != nil {
		return 0, "", err
	}
	return 0, "main is " + commit[:12], nil
}

// clustersUp waits until the infrastructure of every cluster is ready, by its
// status and by its own word: in a demo that goes on, the status may be old.
func (e *environment) clustersUp(ctx context.Context) (time.Duration, string, error) {
	ctx, cancel := within(ctx, 4*time.Minute, "clusters did not come up")
	defer cancel()
	clusters, err := e.await(ctx, func(c fleet.Cluster) bool {
		return c.Infra != nil && c.Infra.Phase == schemas.InfraReady && e.serves(ctx, c.Name)
	})
	if err != nil {
		return 0, "", err
	}
	names := make([]string, len(clusters))
	for i, c := range clusters {
		names[i] = c.Name + " at " + c.Infra.Endpoint
	}
	return 0, strings.Join(names, ", "), nil
}

// profilesHealthy waits until every cluster runs what main says.
func (e *environment) profilesHealthy(ctx context.Context) (time.Duration, string, error) {
	ctx, cancel := within(ctx, 4*time.Minute, "profiles did not become healthy")
	defer cancel()
	clusters, err := e.await(ctx, func(c fleet.Cluster) bool { return c.State == fleet.StateReady })
	if err != nil {
		return 0, "", err
	}
	objects := 0
	for _, c := range clusters {
		objects += c.Objects
	}
	return 0, fmt.Sprintf("%d objects in %d clusters", objects, len(clusters)), nil
}

var logLevelDefault = regexp.MustCompile(`(?s)(- name: logLevel\n.*?default: )(\w+)`)

// pushVariable changes a default in the profile and measures the time from the
// push until every cluster has applied it and is healthy.
func (e *environment) pushVariable(ctx context.Context) (time.Duration, string, error) {
	ctx, cancel := within(ctx, 2*time.Minute, "the change did not reach every cluster")
	defer cancel()
	var level string
	err := e.clone.edit(profileFile, func(text string) (string, bool) {
		match := logLevelDefault.FindStringSubmatch(text)
		if match == nil {
			return "", false
		}
		level = "info"
		if match[2] == level {
			level = "warn"
		}
		return logLevelDefault.ReplaceAllString(text, "${1}"+level), true
	})
	if err != nil {
		return 0, "", err
	}
	start := time.Now()
	commit, err := e.clone.push(ctx, "Log level "+level)
	if err != nil {
		return 0, "", err
	}
	clusters, err := e.await(ctx, func(c fleet.Cluster) bool { return c.State == fleet.StateReady && c.Source == commit })
	took := time.Since(start)
	if err != nil {
		return 0, "", err
	}
	for _, c := range clusters {
		if err := e.expectConfigMap(ctx, c.Name, level); err != nil {
			return 0, "", err
		}
	}
	return took, fmt.Sprintf("logLevel is %s in %d clusters", level, len(clusters)), nil
}

// healEdit scales a Deployment by hand and measures from the moment at which
// the API server has the edit to the moment at which it is undone.
func (e *environment) healEdit(ctx context.Context) (time.Duration, string, error) {
	ctx, cancel := within(ctx, time.Minute, "the edit was not healed")
	defer cancel()
	clusters, err := e.clusters(ctx)
	if err != nil || len(clusters) == 0 {
		return 0, "", errors.Join(err, errors.New("no clusters"))
	}
	cluster := clusters[0].Name
	scales, err := e.watchReplicas(ctx, cluster)
	if err != nil {
		return 0, "", err
	}
	desired := <-scales
	edit := exec.CommandContext(ctx, e.options.ControlPlane, "kubectl", "--kubeconfig", e.kubeconfig(cluster),
		"--namespace", editedLayer, "scale", "deployment", editedLayer, fmt.Sprintf("--replicas=%d", editedCount))
	if out, err := edit.CombinedOutput(); err != nil {
		return 0, "", fmt.Errorf("kubectl scale: %w: %s", err, out)
	}
	if err := waitFor(ctx, scales, editedCount); err != nil {
		return 0, "", err
	}
	start := time.Now()
	if err := waitFor(ctx, scales, desired.replicas); err != nil {
		return 0, "", err
	}
	return time.Since(start), fmt.Sprintf("%s: kubectl scale to %d replicas, back at %d", cluster, editedCount, desired.replicas), nil
}

// refuseBroken pushes a misspelt field and checks that nothing has moved.
func (e *environment) refuseBroken(ctx context.Context) (time.Duration, string, error) {
	ctx, cancel := within(ctx, time.Minute, "the push was not answered")
	defer cancel()
	before, err := e.repository.Refs(ctx, schemas.DesiredRef(""))
	if err != nil {
		return 0, "", err
	}
	err = e.clone.edit(profileFile, func(text string) (string, bool) {
		return strings.Replace(text, "dependsOn:", "dependOn:", 1), strings.Contains(text, "dependsOn:")
	})
	if err != nil {
		return 0, "", err
	}
	start := time.Now()
	_, refusal := e.clone.push(ctx, "A mistake")
	took := time.Since(start)
	if refusal == nil {
		return 0, "", errors.New("the push was accepted")
	}
	line := remoteLine(refusal.Error(), profileFile)
	if line == "" {
		return 0, "", fmt.Errorf("the refusal does not name the file: %w", refusal)
	}
	after, err := e.repository.Refs(ctx, schemas.DesiredRef(""))
	if err != nil {
		return 0, "", err
	}
	if !maps.Equal(before, after) {
		return 0, "", errors.New("desired branches moved")
	}
	return took, line, e.clone.undo(ctx)
}

// remoteLine finds the line of git's output in which the hub speaks of a file.
func remoteLine(text, file string) string {
	for line := range strings.Lines(text) {
		_, said, isRemote := strings.Cut(line, "remote: ")
		if isRemote && strings.HasPrefix(said, file) {
			return strings.TrimSpace(said)
		}
	}
	return ""
}

// await polls until every cluster satisfies a condition.
func (e *environment) await(ctx context.Context, done func(fleet.Cluster) bool) ([]fleet.Cluster, error) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		clusters, err := e.clusters(ctx)
		if err != nil && ctx.Err() == nil {
			return nil, err
		}
		if every(clusters, done) {
			return clusters, nil
		}
		select {
		case <-e.stopped:
			return nil, fmt.Errorf("the hub has stopped: %w", e.failure)
		case <-ctx.Done():
			return nil, fmt.Errorf("%w%s", context.Cause(ctx), summary(clusters))
		case <-ticker.C:
		}
	}
}

func every(clusters []fleet.Cluster, done func(fleet.Cluster) bool) bool {
	for _, c := range clusters {
		if !done(c) {
			return false
		}
	}
	return len(clusters) > 0
}

func summary(clusters []fleet.Cluster) string {
	var b strings.Builder
	for _, c := range clusters {
		fmt.Fprintf(&b, "; %s is %s %s", c.Name, c.State, c.Message)
	}
	return b.String()
}
