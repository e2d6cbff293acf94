package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"branchline.dev/branchline/cmd/internal/hub"
	"branchline.dev/branchline/examples"
	"branchline.dev/branchline/schemas"
)

type initOptions struct {
	example string
	tenant  string
}

func newInit() *cobra.Command {
	var options initOptions
	command := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a new tenant repository",
		Long: `Write the files of a new tenant repository into DIR (default: here), together
with the JSON Schemas that let an editor complete and check them.

A file that exists already is never overwritten.`,
		Example: `  branchline init shop --tenant shop
  cd shop && git init -b main && git add -A && git commit -m "First profile"
  branchline validate`,
		Args: atMostOne("directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runInit(cmd, directory(args), options)
		},
	}
	command.Flags().StringVar(&options.example, "example", "minimal", "what to start from: "+strings.Join(examples.Names(), " or "))
	if err := command.RegisterFlagCompletionFunc("example", cobra.FixedCompletions(examples.Names(), cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // only if the flag did not exist
	}
	command.Flags().StringVar(&options.tenant, "tenant", "", "name of the tenant (default: the directory's name)")
	return command
}

func runInit(cmd *cobra.Command, dir string, options initOptions) error {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	tenant := options.tenant
	if tenant == "" {
		tenant = filepath.Base(absolute)
	}
	if err := hub.CheckTenantName(tenant); err != nil {
		return usagef("%v (--tenant NAME)", err)
	}
	files, err := examples.Files(options.example)
	if err != nil {
		return usagef("%v", err)
	}
	written, err := writeNew(absolute, files, func(file string, data []byte) []byte {
		if file == schemas.TenantFile {
			return examples.Rename(data, tenant)
		}
		return data
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "wrote %d files for tenant %s into %s\nnext: branchline validate %s\n", written, tenant, dir, dir)
	return nil
}

// writeNew copies files below dir, all or, if one of them exists, none.
func writeNew(dir string, files fs.FS, change func(string, []byte) []byte) (written int, err error) {
	var names, existing []string
	err = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		names = append(names, name)
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name))); err == nil {
			existing = append(existing, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if len(existing) > 0 {
		return 0, fmt.Errorf("%s already has %s; nothing was written: choose an empty directory", dir, strings.Join(existing, ", "))
	}
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return written, err
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return written, err
		}
		if err := os.WriteFile(target, change(name, data), 0o644); err != nil {
			return written, err
		}
		written++
	}
	return written, nil
}
