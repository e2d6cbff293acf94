package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"branchline.dev/branchline/cmd/internal/output"
	"branchline.dev/branchline/schemas"
)

func newGet() *cobra.Command {
	command := &cobra.Command{
		Use:   "get clusters|profiles [DIR]",
		Short: "List what a tenant repository defines",
		Long:  "List the clusters or profiles that the files of a tenant repository in DIR (default: here) define.",
	}
	command.AddCommand(
		newGetKind("clusters", "List clusters", listClusters, clusterTable),
		newGetKind("profiles", "List profiles and the clusters that use them", listProfiles, profileTable),
	)
	return needsSubcommand(command)
}

// newGetKind makes the command for one kind of document.
func newGetKind[T any](name, short string, list func(*schemas.Repository) []T, table func([]T) output.Table) *cobra.Command {
	var format output.Format
	command := &cobra.Command{
		Use:   name + " [DIR]",
		Short: short,
		Args:  atMostOne("directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := directory(args)
			if _, err := os.Stat(dir); err != nil {
				return err
			}
			repository, problems := schemas.Load(os.DirFS(dir))
			if err := problems.Err(); err != nil {
				return err
			}
			items := list(repository)
			return output.Write(cmd.OutOrStdout(), format, items, func() output.Table { return table(items) })
		},
	}
	output.AddFlag(command, &format)
	return command
}

type clusterItem struct {
	Name      string            `json:"name"`
	File      string            `json:"file"`
	Labels    map[string]string `json:"labels,omitempty"`
	Cloud     string            `json:"cloud"`
	Nodes     int               `json:"nodes"`
	Profiles  []string          `json:"profiles"`
	Protected bool              `json:"deletionProtection"`
}

func listClusters(repository *schemas.Repository) []clusterItem {
	items := make([]clusterItem, 0, len(repository.Clusters))
	for _, document := range repository.Clusters {
		cluster := &document.Object
		item := clusterItem{
			Name: cluster.Metadata.Name, File: document.File, Labels: cluster.Metadata.Labels,
			Cloud: cluster.Spec.Cloud.Type, Protected: cluster.Spec.Protected(),
		}
		for _, pool := range cluster.Spec.NodePools {
			item.Nodes += pool.Count
		}
		for _, profile := range cluster.Spec.Profiles {
			item.Profiles = append(item.Profiles, schemas.ID(profile.Name, profile.Version))
		}
		items = append(items, item)
	}
	return items
}

func clusterTable(items []clusterItem) output.Table {
	table := output.Table{Header: []string{"CLUSTER", "CLOUD", "NODES", "PROFILES", "PROTECTED", "FILE"}, Empty: "no clusters"}
	for _, item := range items {
		protected := "yes"
		if !item.Protected {
			protected = "no"
		}
		table.Rows = append(table.Rows, []string{item.Name, item.Cloud, strconv.Itoa(item.Nodes), strings.Join(item.Profiles, ","), protected, item.File})
	}
	return table
}

type profileItem struct {
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	File     string   `json:"file"`
	Type     string   `json:"type"`
	Layers   []string `json:"layers"`
	Clusters []string `json:"clusters"`
}

func listProfiles(repository *schemas.Repository) []profileItem {
	users := map[string][]string{}
	for _, cluster := range repository.Clusters {
		for _, profile := range cluster.Object.Spec.Profiles {
			id := schemas.ID(profile.Name, profile.Version)
			users[id] = append(users[id], cluster.Object.Metadata.Name)
		}
	}
	items := make([]profileItem, 0, len(repository.Profiles))
	for _, document := range repository.Profiles {
		profile := &document.Object
		item := profileItem{
			Name: profile.Metadata.Name, Version: profile.Spec.Version, File: document.File, Type: profile.Spec.Type,
			Clusters: users[schemas.ID(profile.Metadata.Name, profile.Spec.Version)],
		}
		if item.Type == "" {
			item.Type = "full"
		}
		for _, layer := range profile.Spec.Layers {
			item.Layers = append(item.Layers, layer.Name)
		}
		items = append(items, item)
	}
	return items
}

func profileTable(items []profileItem) output.Table {
	table := output.Table{Header: []string{"PROFILE", "VERSION", "TYPE", "LAYERS", "CLUSTERS", "FILE"}, Empty: "no profiles"}
	for _, item := range items {
		table.Rows = append(table.Rows, []string{item.Name, item.Version, item.Type, strings.Join(item.Layers, ","), strconv.Itoa(len(item.Clusters)), item.File})
	}
	return table
}
