package songspy

import (
	"slices"
	"time"
)

// FollowState is the state of a follow.
type FollowState string

// The states of a follow.
const (
	FollowRequested FollowState = "requested" // the followed user has neither approved nor refused yet
	FollowApproved  FollowState = "approved"
)

// Follow says that one user follows another, or has asked to. The row is
// deleted when the followed user refuses the request or removes the follower, so
// that the follower can ask again.
type Follow struct {
	// UserID is the user who is followed.
	UserID     UserID `gorm:"primaryKey"`
	FollowerID UserID `gorm:"primaryKey"`
	State      FollowState
	AskedAt    time.Time
	// ApprovedAt is nil while the state is FollowRequested.
	ApprovedAt *time.Time
}

// TableName returns the name of the table of follows.
func (Follow) TableName() string { return "follows" }

// Block hides two users from each other. It ends follows in both directions.
type Block struct {
	// UserID is the user who blocks.
	UserID    UserID `gorm:"primaryKey"`
	BlockedID UserID `gorm:"primaryKey"`
	At        time.Time
}

// TableName returns the name of the table of blocks.
func (Block) TableName() string { return "blocks" }

// Person is a user with the stored rows that decide what others see of the user.
type Person struct {
	User User
	Rule SharingRule
}

// HiddenPerson is a user that the operator hides.
type HiddenPerson struct {
	Person Person
	// Since is when the operator hid the user, and Detail is the reason. Since is nil and
	// Detail is empty if the audit log no longer has the event.
	Since  *time.Time
	Detail string
}

// FollowingPerson is one entry of a list of follows. In a list of a user's followers,
// Person is the follower. In a list of the users that a user follows, Person is the
// followed user.
type FollowingPerson struct {
	Follow Follow
	Person Person
}

// BlockedPerson is a block with the user who is blocked.
type BlockedPerson struct {
	Block  Block
	Person Person
}

// ReportReason says what is wrong with a user, according to a report.
type ReportReason string

// The reasons of reports.
const (
	ReportName       ReportReason = "name"       // an offensive name or picture
	ReportPretending ReportReason = "pretending" // pretends to be another person
	ReportHarassment ReportReason = "harassment"
	ReportOther      ReportReason = "other"
)

// IsValid reports whether r is one of the reasons.
func (r ReportReason) IsValid() bool {
	return slices.Contains([]ReportReason{ReportName, ReportPretending, ReportHarassment, ReportOther}, r)
}

// ReportTextMax is the length of the longest text of a report, in grapheme
// clusters.
const ReportTextMax = 500

// Report tells the operator about a user. The reported user does not see it.
type Report struct {
	// UserID is the user who is reported.
	UserID UserID `gorm:"primaryKey"`
	ID     int64  `gorm:"primaryKey"`
	// ReporterID is the user who reports; nil once that user is erased.
	ReporterID *UserID
	Reason     ReportReason
	Text       string
	At         time.Time
	// ClosedAt is when the operator closed the report; nil while it is open.
	ClosedAt *time.Time
}

// TableName returns the name of the table of reports.
func (Report) TableName() string { return "reports" }

// AuditActor says who acted in an audit event: the user, the operator or the
// service.
type AuditActor string

// The actors of audit events.
const (
	ActorSelf     AuditActor = "self" // the user
	ActorOperator AuditActor = "operator"
	ActorSystem   AuditActor = "system"
)

// AuditKind says what an audit event records.
type AuditKind string

// The kinds of audit events.
const (
	AuditSignedUp         AuditKind = "signed_up"
	AuditSignedIn         AuditKind = "signed_in"          // Detail is the label of the session
	AuditSignedOut        AuditKind = "signed_out"         // a session was ended; Detail is its label
	AuditSignedOutAll     AuditKind = "signed_out_all"     // all sessions were ended
	AuditLinked           AuditKind = "linked"             // Spotify was linked
	AuditUnlinked         AuditKind = "unlinked"           // Spotify was unlinked; Detail is how many plays were erased
	AuditSharingChanged   AuditKind = "sharing_changed"    // Detail names the settings
	AuditItemHidden       AuditKind = "item_hidden"        // an artist or a track was hidden; Detail is its name, or its URI if it has no name, or "" for a local file
	AuditItemShown        AuditKind = "item_shown"         // an artist or a track is no longer hidden; Detail is as for AuditItemHidden
	AuditShareLinkCreated AuditKind = "share_link_created" // a share link that revokes the previous one
	AuditShareLinkRevoked AuditKind = "share_link_revoked"
	AuditEmbedCreated     AuditKind = "embed_created" // Detail is the label of the embed token
	AuditEmbedRevoked     AuditKind = "embed_revoked" // Detail is the label of the embed token
	AuditWebhookSet       AuditKind = "webhook_set"   // a webhook that replaces the previous one
	AuditWebhookDeleted   AuditKind = "webhook_deleted"
	AuditExported         AuditKind = "exported"
	AuditErased           AuditKind = "erased" // some data of the user was erased, but not the user; Detail says which data
	AuditHidden           AuditKind = "hidden" // the operator hid the user
	AuditShown            AuditKind = "shown"  // the operator ended the hiding of the user
	AuditRenamed          AuditKind = "renamed"
)

// AuditEvent records one act that concerns a user. Its user can read it.
type AuditEvent struct {
	UserID UserID `gorm:"primaryKey"`
	ID     int64  `gorm:"primaryKey"`
	Kind   AuditKind
	Actor  AuditActor
	// Detail is a short text for the user; empty if Kind says everything. It
	// names no other user.
	Detail string
	At     time.Time
}

// TableName returns the name of the table of audit events.
func (AuditEvent) TableName() string { return "audit_events" }
