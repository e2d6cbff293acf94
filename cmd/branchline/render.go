package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"branchline.dev/branchline/cmd/internal/source"
	"branchline.dev/branchline/cmd/internal/version"
	"branchline.dev/branchline/providers/all"
	"branchline.dev/branchline/renderer"
	"branchline.dev/branchline/schemas"
)

type renderOptions struct {
	output   string
	clusters []string
}

func newRender() *cobra.Command {
	var options renderOptions
	command := &cobra.Command{
		Use:   "render [DIR]",
		Short: "Render every cluster of a tenant repository",
		Long: `Render the tenant repository in DIR (default: here) and write OUT/<cluster>/...
exactly as the desired branches would hold it.

If DIR is a clone without uncommitted changes, the manifests name its commit and
continue the desired branches that it has fetched; otherwise they name the
commit 0000000000000000000000000000000000000000.

Only files of an earlier render are ever replaced or removed from OUT.`,
		Example: `  branchline render . --output /tmp/rendered
  branchline render . --output /tmp/rendered --cluster dev`,
		Args: atMostOne("directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRender(cmd, directory(args), options)
		},
	}
	command.Flags().StringVar(&options.output, "output", "", "directory to write to (required)")
	command.Flags().StringSliceVar(&options.clusters, "cluster", nil, "write only these clusters")
	return command
}

func runRender(cmd *cobra.Command, dir string, options renderOptions) error {
	if options.output == "" {
		return usagef("say where to write: --output OUT")
	}
	rendered, err := renderDirectory(cmd.Context(), dir)
	if err != nil {
		return err
	}
	trees, err := selected(rendered.Clusters, options.clusters)
	if err != nil {
		return err
	}
	for _, tree := range trees {
		if err := writeTree(filepath.Join(options.output, tree.Name), tree.Files); err != nil {
			return fmt.Errorf("writing cluster %s: %w", tree.Name, err)
		}
		what := count(tree.Manifest.Spec.Objects, "object") + " in " + count(len(tree.Manifest.Spec.Layers), "layer")
		if tree.Manifest.Spec.Tombstone != nil {
			what = "ended"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", tree.Name, what)
	}
	return nil
}

// renderDirectory renders what is on disk, as a hub would render its commit.
func renderDirectory(ctx context.Context, dir string) (*renderer.Output, error) {
	src, err := source.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	return renderer.Render(ctx, renderer.Input{
		Source:      src.Files,
		Commit:      renderer.Commit{ID: src.Commit, Ancestors: src.Ancestors, Time: src.Time},
		Previous:    src.Previous,
		TrustedKeys: src.TrustedKeys(),
		Version:     version.Version,
		Clouds:      all.Schemas(),
	})
}

func selected(trees []renderer.ClusterTree, names []string) ([]renderer.ClusterTree, error) {
	if len(names) == 0 {
		return trees, nil
	}
	var chosen []renderer.ClusterTree
	for _, name := range names {
		i := slices.IndexFunc(trees, func(tree renderer.ClusterTree) bool { return tree.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no cluster %q in this repository", name)
		}
		chosen = append(chosen, trees[i])
	}
	return chosen, nil
}

// writeTree makes dir hold exactly files: it writes them beside dir first, so
// that dir holds the old render or the new one and nothing in between. It refuses
// a directory that holds anything that no render wrote, so that a mistyped
// --output cannot cost anybody their work.
func writeTree(dir string, files map[string][]byte) error {
	if err := checkRendered(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), ".rendering-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	for name, data := range files {
		target := filepath.Join(fresh, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, data, 0o644); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(fresh, dir)
}

// checkRendered makes sure that a directory is missing, empty or an earlier
// render and nothing else.
func checkRendered(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(dir, schemas.DesiredClusterFile))
	var manifest schemas.DesiredCluster
	if err != nil || schemas.Unmarshal(data, &manifest) != nil || manifest.Kind != schemas.KindDesiredCluster {
		return fmt.Errorf("%s is not empty and holds no earlier render; choose another --output", dir)
	}
	for _, entry := range entries {
		switch entry.Name() {
		case schemas.DesiredClusterFile, schemas.DesiredInfrastructureFile, schemas.LayersDir:
		default:
			return fmt.Errorf("%s holds %s, which no render wrote; move it away or choose another --output", dir, entry.Name())
		}
	}
	return nil
}
