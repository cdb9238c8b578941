package main

import (
	"context"
	"maps"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/store"

	"github.com/songspy/songspy/songspy-api/internal/httpapi"
)

// status returns the state of the service for operators: the state in the database,
// which `songspy-batch status` shows too, and the notes and the board of this replica.
func (a *service) status(ctx context.Context, dailyCalls int64) (httpapi.OperatorStatus, error) {
	st, err := a.db.Status(ctx)
	if err != nil {
		return httpapi.OperatorStatus{}, err
	}
	status := httpapi.OperatorStatus{
		At: httpapi.Time(st.At), Notes: append([]string{}, a.notes()...), BoardReadAt: httpapi.Time(a.board.Stats().FeedReadAt),
		Links: counts(st.Links), Playing: st.Playing, Plays: counts(st.Plays), Gaps: counts(st.OpenGaps), UserAppsBlocked: st.UserAppsBlocked,
		Batch: httpapi.OperatorBatch{
			State: httpapi.OperatorBatchState(st.BatchState()), LastPollAt: (*httpapi.Time)(st.LastPollAt),
			OverdueMs: int64(st.OverdueSeconds * 1000), Replicas: []httpapi.BatchReplica{}, Polls: counts(st.Polls),
		},
		ConsentEnds: []httpapi.ConsentEnds{}, Apps: []httpapi.OperatorApp{},
	}
	for _, c := range st.ConsentLeft {
		status.ConsentEnds = append(status.ConsentEnds, httpapi.ConsentEnds{Days: c.Days, Links: c.Links})
	}
	for _, r := range st.Replicas {
		status.Batch.Replicas = append(status.Batch.Replicas, httpapi.BatchReplica{Name: r.Name, Shards: r.Shards})
	}
	if len(st.Replicas) > 0 {
		status.Batch.UnassignedShards = songspy.ShardCount - st.Shards
	}
	for _, name := range st.Apps() {
		status.Apps = append(status.Apps, operatorApp(st, name, dailyCalls))
	}
	return status, nil
}

func operatorApp(st store.Status, name string, dailyCalls int64) httpapi.OperatorApp {
	q := st.Quotas[name]
	app := httpapi.OperatorApp{
		App: name, Tokens: operatorBreaker(st.Breakers[name].Accounts, st.At), Data: operatorBreaker(st.Breakers[name].API, st.At), Calls: counts(q.Calls),
	}
	if planned, bounded := q.Planned(st.At, dailyCalls); bounded {
		app.Planned, app.Left = &planned, new(max(0, planned-q.Calls.Sum()))
	}
	if last := q.LastRefusal; last != nil {
		app.LastRefusal = &httpapi.CallRefusal{At: httpapi.Time(last.At), Endpoint: string(last.Endpoint)}
	}
	return app
}

func operatorBreaker(b breaker.SharedBreaker, at time.Time) httpapi.OperatorBreaker {
	switch until := httpapi.Time(b.OpenUntil); {
	case b.Cause == "":
		return httpapi.OperatorBreaker{State: httpapi.OperatorBreakerStateClosed}
	case b.IsOpen(at):
		return httpapi.OperatorBreaker{State: httpapi.OperatorBreakerStateOpen, Cause: b.Cause.Description(), OpenUntil: &until}
	default:
		return httpapi.OperatorBreaker{State: httpapi.OperatorBreakerStateHalfOpen, Cause: b.Cause.Description()}
	}
}

// counts turns a map of counts into a list, ordered by name.
func counts[K ~string](by map[K]int64) []httpapi.Count {
	list := make([]httpapi.Count, 0, len(by))
	for _, name := range slices.Sorted(maps.Keys(by)) {
		list = append(list, httpapi.Count{Name: string(name), Count: by[name]})
	}
	return list
}
