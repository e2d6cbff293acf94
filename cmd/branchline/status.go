package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"branchline.dev/branchline/cmd/internal/fleet"
	"branchline.dev/branchline/cmd/internal/output"
)

func newStatus() *cobra.Command {
	var repository repositoryOptions
	var format output.Format
	command := &cobra.Command{
		Use:   "status [CLUSTER]",
		Short: "Show how clusters are, or one cluster layer by layer",
		Long: `Show how every cluster is, or one cluster layer by layer, as the signed statuses
in the tenant repository say. It talks to Git only, never to a cluster.`,
		Example: `  branchline status
  branchline status prod --output yaml`,
		Args: atMostOne("cluster"),
		RunE: func(cmd *cobra.Command, args []string) error {
			reader, err := repository.open()
			if err != nil {
				return err
			}
			now := time.Now()
			clusters, err := fleet.Read(cmd.Context(), reader, now)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return output.Write(cmd.OutOrStdout(), format, clusters, func() output.Table { return fleet.Summary(clusters, now) })
			}
			i := slices.IndexFunc(clusters, func(c fleet.Cluster) bool { return c.Name == args[0] })
			if i < 0 {
				return fmt.Errorf("there is no cluster %q with a desired branch", args[0])
			}
			cluster := clusters[i]
			return output.Write(cmd.OutOrStdout(), format, cluster, func() output.Table { return describe(cluster) })
		},
	}
	repository.add(command)
	output.AddFlag(command, &format)
	return command
}

// describe shows one cluster as lines of name and value.
func describe(c fleet.Cluster) output.Table {
	var table output.Table
	line := func(cells ...string) { table.Rows = append(table.Rows, cells) }
	line("cluster", c.Name)
	line("state", string(c.State))
	if c.Message != "" {
		line("message", c.Message)
	}
	line("cloud", c.Cloud)
	line("generation", fmt.Sprintf("%d desired, %d applied", c.Desired, c.Applied))
	if c.Source != "" {
		line("source", c.Source)
	}
	if c.Infra != nil {
		line("kubernetes", fmt.Sprintf("%s at %s", c.Infra.KubernetesVersion, c.Infra.Endpoint))
		for _, node := range c.Infra.Nodes {
			line("node", fmt.Sprintf("%s (pool %s): %s", node.Name, node.Pool, node.Phase))
		}
	}
	if c.Agent == nil {
		return table
	}
	for _, layer := range c.Agent.Layers {
		line("layer", fmt.Sprintf("%s: %s, %d of %d ready", layer.Name, layer.Phase, layer.Ready, layer.Objects), layer.Message)
	}
	for _, issue := range c.Agent.Failing {
		line("failing", issue.Object, issue.Reason)
	}
	for _, issue := range c.Agent.Drift {
		line("drifted", issue.Object, issue.Reason)
	}
	line("healed", strconv.FormatInt(c.Agent.Healed, 10))
	line("updated", c.UpdatedAt)
	return table
}
