package songspy_test

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestInvite_ValidUntilRevokedUsedUpOrExpired(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	valid := songspy.Invite{Uses: 2, UsesLeft: 1, ExpiresAt: at.Add(time.Microsecond)}
	usedUp, expired, revoked := valid, valid, valid
	usedUp.UsesLeft, expired.ExpiresAt, revoked.RevokedAt = 0, at, &at
	for want, invite := range map[songspy.InviteState]songspy.Invite{
		songspy.InviteValid: valid, songspy.InviteUsedUp: usedUp, songspy.InviteExpired: expired, songspy.InviteRevoked: revoked,
	} {
		if got := invite.State(at); got != want {
			t.Errorf("the state of %+v is %s, want %s", invite, got, want)
		}
	}
}
