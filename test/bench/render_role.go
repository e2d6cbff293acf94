package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"branchline.dev/branchline/providers/local"
	"branchline.dev/branchline/renderer"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// renderFleet publishes a fleet, changes one value of its profile and tells how
// long that takes to reach all desired branches.
func renderFleet(ctx context.Context, dir, count string, stdout io.Writer) error {
	clusters, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	repository, err := sync.InitRepository(ctx, dir)
	if err != nil {
		return err
	}
	signer, err := newSigner()
	if err != nil {
		return err
	}
	h := &renderingHub{repository: repository, signer: signer, manifests: map[string]schemas.DesiredCluster{}, tips: map[string]string{}}
	if _, err := h.push(ctx, tenantFiles(clusters, "info")); err != nil {
		return err
	}
	took, err := h.push(ctx, tenantFiles(clusters, "debug"))
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(took)
}

// renderingHub does what a hub does for a push to main, without the network.
type renderingHub struct {
	repository *sync.Repository
	signer     *sync.Signer
	main       string
	pushes     int64
	manifests  map[string]schemas.DesiredCluster
	tips       map[string]string
}

// push makes a commit on main, then measures its way to the desired branches.
func (h *renderingHub) push(ctx context.Context, files map[string][]byte) (fleetTimes, error) {
	source := sync.Update{Ref: "refs/heads/main", Expect: h.main, Files: files, Message: "change", When: commitTime()}
	if h.main != "" {
		source.Parents = []string{h.main}
	}
	pushed, err := h.repository.Publish(ctx, h.signer, []sync.Update{source})
	if err != nil {
		return fleetTimes{}, err
	}
	h.main = pushed[0].Commit
	h.pushes++

	started := time.Now()
	output, err := h.render(ctx)
	if err != nil {
		return fleetTimes{}, err
	}
	rendered := time.Now()
	err = h.publish(ctx, output)
	return fleetTimes{Total: milliseconds(time.Since(started)), Publish: milliseconds(time.Since(rendered))}, err
}

func (h *renderingHub) render(ctx context.Context) (*renderer.Output, error) {
	source, err := h.repository.Files(ctx, h.main)
	if err != nil {
		return nil, err
	}
	return renderer.Render(ctx, renderer.Input{
		Source:   source,
		Commit:   renderer.Commit{ID: h.main, Ancestors: h.pushes, Time: commitTime()},
		Previous: h.manifests, TrustedKeys: []string{h.signer.PublicKey()}, Version: "bench",
		Clouds: map[string]schemas.CloudSchemas{local.Type: local.Schemas()},
	})
}

func (h *renderingHub) publish(ctx context.Context, output *renderer.Output) error {
	var updates []sync.Update
	for _, tree := range output.Clusters {
		if !tree.Changed {
			return fmt.Errorf("cluster %s is unchanged, but the profile that it runs has changed", tree.Name)
		}
		update := sync.Update{Ref: schemas.DesiredRef(tree.Name), Files: tree.Files, Message: commitMessage, When: commitTime()}
		if tip := h.tips[tree.Name]; tip != "" {
			update.Expect, update.Parents = tip, []string{tip}
		}
		updates = append(updates, update)
	}
	published, err := h.repository.Publish(ctx, h.signer, updates)
	if err != nil {
		return err
	}
	for i, tree := range output.Clusters {
		h.manifests[tree.Name], h.tips[tree.Name] = tree.Manifest, published[i].Commit
	}
	return nil
}
