//! What is broken, in which role, and what the checker must say of it.

use sockless_conformance::{Role, Verdict};

/// In which roles it shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum In {
    Both,
    Server,
    Client,
}

impl In {
    pub(crate) fn roles(self) -> Vec<Role> {
        match self {
            Self::Both => Role::ALL.to_vec(),
            Self::Server => vec![Role::Server],
            Self::Client => vec![Role::Client],
        }
    }
}

impl Defect {
    pub(crate) fn is_of_compression(self) -> bool {
        self as u32 >= Self::UnknownParametersAreTaken as u32
    }
}

macro_rules! defects {
    ($($name:ident $in:ident $verdict:ident;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Defect {
            Nothing,
            $($name,)+
        }

        pub(crate) const DEFECTS: &[(Defect, In, Verdict)] = &[
            $((Defect::$name, In::$in, Verdict::$verdict),)+
        ];
    };
}

defects! {
    // Headers.
    Rsv1IsIgnored Both Fail;
    Rsv2IsIgnored Both Fail;
    Rsv3IsIgnored Both Fail;
    RsvIsIgnoredOnContinuations Both Fail;
    RsvIsIgnoredOnPings Both Fail;
    RsvIsIgnoredOnPongs Both Fail;
    RsvIsIgnoredOnCloses Both Fail;
    RsvIsIgnoredInsideMessages Both Fail;
    RsvIsIgnoredAfterAMessage Both Fail;
    RsvIsIgnoredOnEmptyFrames Both Fail;
    Rsv23TogetherAreIgnored Both Fail;
    Opcode3IsText Both Fail;
    Opcode4IsIgnored Both Fail;
    Opcode7IsBinary Both Fail;
    OpcodeBIsAPing Both Fail;
    OpcodeFIsIgnored Both Fail;
    ReservedControlOpcodesAreIgnored Both Fail;
    ReservedOpcodesAreIgnoredInsideMessages Both Fail;
    ReservedOpcodesAreContinuations Both Fail;
    MaskIsNotDemanded Server Fail;
    MaskIsNotDemandedOfContinuations Server Fail;
    MaskIsNotDemandedOfControlFrames Server Fail;
    MaskIsNotDemandedOfCloses Server Fail;
    MaskIsNotDemandedOfEmptyFrames Server Fail;
    MaskIsNotDemandedInsideMessages Server Fail;
    MaskIsTaken Client Fail;
    MaskIsTakenOnPings Client Fail;
    MaskIsTakenOnContinuations Client Fail;
    MaskRestartsWithEachChunk Server Fail;
    MaskRestartsAfter4096Bytes Server Fail;
    MaskGoesOnInTheNextFrame Server Fail;
    MaskIsBackwards Server Fail;
    MaskOfTheFirstFrameIsKept Server Fail;
    MaskIsNotTakenOffPings Server Fail;
    MaskIsNotTakenOffTheLastBytes Server Fail;
    LengthOf16BitsIsLittleEndian Both Fail;
    LengthOf16BitsIsSigned Both Fail;
    LengthOf64BitsIsCutTo16 Both Fail;
    LengthOf64BitsIsCutTo32 Both Fail;
    LengthOf64BitsIsCutTo31 Both Fail;
    LengthOf64BitsIsCutTo48 Both Fail;
    LengthOf64BitsLosesItsTopBit Both Fail;
    Length125IsTakenFor16Bits Both Fail;
    Length126IsTakenAsItIs Both Fail;
    Length65535IsOneShort Both Fail;
    LongFormsAreTaken Both Custom;
    LongFormsGiveGarbage Both Fail;
    LongFormsGiveNothing Both Fail;
    LongFormsAreClosedWith1007 Both Should;
    HeaderCutIsForgotten Both Fail;
    LengthCutIsForgotten Both Fail;
    KeyCutIsForgotten Server Fail;
    OneFrameForEachChunk Both Fail;
    SixteenFramesForEachChunk Both Fail;
    ChunkEndsTheMessage Both Fail;
    // Control frames.
    FragmentedPingsAreTaken Both Fail;
    FragmentedPongsAreTaken Both Fail;
    FragmentedClosesAreTaken Both Fail;
    FragmentedControlFramesAreTakenInsideMessages Both Fail;
    LongPingsAreTaken Both Fail;
    LongPongsAreTaken Both Fail;
    LongClosesAreTaken Both Fail;
    ControlFramesMayHave126Bytes Both Fail;
    LongControlFramesAreTakenInsideMessages Both Fail;
    Pings125AreRefused Both Fail;
    PingsAreNotAnswered Both Fail;
    PingsAreNotAnsweredInsideMessages Both Fail;
    PingsAreNotAnsweredInsideEmptyMessages Both Fail;
    EmptyPingsAreNotAnswered Both Fail;
    EverySecondPingIsAnswered Both Fail;
    PingsAreAnsweredUpTo256 Both Fail;
    PongIsEmpty Both Fail;
    PongIsCutTo124Bytes Both Fail;
    PongEndsAtAZero Both Fail;
    PongIsMadeText Both Fail;
    PongIsOneLate Both Fail;
    PongIsAPing Both Fail;
    PongComesTwice Both Custom;
    PongComesOnceForEqualPings Both Custom;
    PongsAreAnswered Both Should;
    PongsAreAnsweredByPings Both Custom;
    PongsAreRefused Both Fail;
    PongsAreMessages Both Fail;
    PingsAreMessages Both Fail;
    PingsEndMessages Both Fail;
    PongsEndMessages Both Fail;
    PingsJoinMessages Both Fail;
    PingsMustBeText Both Fail;
    TwoPingsInARowAreRefused Both Fail;
    // Fragments.
    OrphansAreMessages Both Fail;
    OrphansAreIgnored Both Fail;
    OrphansAreTakenAfterAMessage Both Fail;
    EmptyOrphansAreTaken Both Fail;
    NewMessagesReplaceOld Both Fail;
    NewMessagesJoinOld Both Fail;
    NewMessagesOfTheSameKindJoinOld Both Fail;
    NewMessagesAreTakenInsideEmptyOnes Both Fail;
    NewBinaryIsTakenInsideText Both Fail;
    EmptyFirstFragmentIsForgotten Both Fail;
    EmptyLastFragmentEndsNothing Both Fail;
    EmptyFragmentEndsTheMessage Both Fail;
    FragmentedBinaryIsText Both Fail;
    FragmentedTextIsBinary Both Fail;
    FragmentsAfterThe16thAreLost Both Fail;
    FragmentsAreCountedIn8Bits Both Fail;
    FragmentsAreLimitedTo1000 Both Fail;
    SumsOver125AreRefused Both Fail;
    SumsOver65535AreCut Both Fail;
    SumsAreKeptIn16Bits Both Fail;
    FirstFragmentIsDeliveredAlone Both Fail;
    LastFragmentComesTwice Both Fail;
    LastFragmentIsDeliveredAlone Both Fail;
    LongFragmentsAreLost Both Fail;
    FragmentsBehindAPingAreLost Both Fail;
    FragmentsBehindTwoControlFramesAreLost Both Fail;
    // Messages.
    EmptyMessagesAreNotDelivered Both Fail;
    EmptyTextIsRefused Both Fail;
    TextOver125IsRefused Both Fail;
    TextOver65535IsRefused Both Fail;
    TextOver65535IsCut Both Fail;
    TextOver100000IsEmpty Both Fail;
    BinaryOver65535IsNotDelivered Both Fail;
    BinaryOver200000IsCut Both Fail;
    BinaryOfAMegabyteIsRefusedAsBroken Both Fail;
    EvenLengthsOver4096LoseAByte Both Fail;
    TextIsDeliveredAsBinary Both Fail;
    AsciiBinaryIsDeliveredAsText Both Fail;
    TextIsTrimmed Both Fail;
    TextLosesItsByteOrderMark Both Fail;
    TextEndsAtAZero Both Fail;
    TextLosesNoncharacters Both Fail;
    TextHasOtherLineEnds Both Fail;
    MessagesComeTwice Both Fail;
    EqualMessagesComeOnce Both Fail;
    MessagesStopAfter300 Both Fail;
    MessagesStopAfter65535 Both Fail;
    RefusesAfter65536Bytes Both Fail;
    RefusesAfterAMegabyte Both Fail;
    FailsAfter1000Frames Both Fail;
    StateIsLostAfter500Frames Both Fail;
    ALimitForTextAlone Both Fail;
    ALimitForFragmentsAlone Both Fail;
    // What nobody asked for.
    GreetsWithAMessage Both Fail;
    GreetsWithAPing Both Custom;
    GreetsWithAPong Both Fail;
    EchoesMessages Both Fail;
    SendsAPingAfterEachMessage Both Custom;
    // Text.
    TextIsNotValidated Both Fail;
    ContinuationsAreNotValidated Both Fail;
    TextIsValidatedFrameByFrame Both Fail;
    TextIsValidatedUpTo64Bytes Both Fail;
    TextIsValidatedUpTo65535Bytes Both Fail;
    TextMayEndInsideACharacter Both Fail;
    FragmentedTextMayEndInsideACharacter Both Fail;
    TextIsMendedWithReplacements Both Fail;
    OverlongsOfTwoBytesAreTaken Both Fail;
    OverlongsOfThreeBytesAreTaken Both Fail;
    OverlongsOfFourBytesAreTaken Both Fail;
    OverlongZeroIsTaken Both Fail;
    SurrogatesAreTaken Both Fail;
    LowSurrogatesAreTaken Both Fail;
    CharactersAbove10ffffAreTaken Both Fail;
    FirstByteF5IsTaken Both Fail;
    SequencesOfFiveBytesAreTaken Both Fail;
    LoneContinuationBytesAreTaken Both Fail;
    BytesFeAndFfAreTaken Both Fail;
    BadLastByteIsTaken Both Fail;
    NoncharactersAreRefused Both Fail;
    ZeroIsRefusedInText Both Fail;
    FourByteCharactersAreRefused Both Fail;
    CharactersMayNotBeCutByFrames Both Fail;
    BinaryMustBeText Both Fail;
    TextIsValidatedAtTheEnd Both Custom;
    BadTextClosesWith1002 Both Should;
    BadTextClosesWith1003 Both Should;
    BadTextIsDropped Both Fail;
    // Close.
    CloseIsNotAnswered Both Fail;
    EmptyCloseIsNotAnswered Both Fail;
    CloseInsideAMessageIsNotAnswered Both Fail;
    CloseInsideAMessageIsRefused Both Fail;
    CloseInsideAMessageDeliversIt Both Fail;
    SecondCloseIsAnswered Both Fail;
    CloseIsAnsweredTwice Both Fail;
    CloseIsAnsweredWithoutACode Both Custom;
    CloseIsAnsweredWith1000 Both Custom;
    CloseIsAnsweredWith1005 Both Fail;
    CloseCodeIsSwapped Both Fail;
    CloseReasonIsCutInACharacter Both Fail;
    CloseIsAnsweredWithoutItsMask Client Fail;
    CloseIsToldWithAnotherCode Both Fail;
    CloseIsToldWithoutItsReason Both Fail;
    Reasons100AreRefused Both Fail;
    Reasons123AreRefused Both Fail;
    ReasonsAreNotValidated Both Fail;
    ReasonsMayEndInACharacter Both Fail;
    BodyOfOneByteIsTaken Both Fail;
    Code0IsTaken Both Fail;
    Code999IsTaken Both Fail;
    Code1004IsTaken Both Fail;
    Code1005IsTaken Both Fail;
    Code1006IsTaken Both Fail;
    Code1015IsTaken Both Fail;
    Code1016IsTaken Both Fail;
    Codes2000To2999AreTaken Both Fail;
    Codes5000AndMoreAreTaken Both Fail;
    Codes65535IsTaken Both Fail;
    Codes3000To3999AreRefused Both Fail;
    Code4999IsRefused Both Fail;
    Code1001IsRefused Both Fail;
    Code1010IsRefused Both Fail;
    MessagesAfterACloseAreTaken Both Fail;
    PingsAfterACloseAreAnswered Both Fail;
    ErrorsAfterACloseAreTold Both Should;
    // Failing.
    FailureSendsNoClose Both Should;
    FailureSendsTwoCloses Both Fail;
    FailureClosesWith1000 Both Should;
    FailureClosesWith1006 Both Fail;
    FailureIsForgotten Both Fail;
    FailureDeliversWhatFollows Both Fail;
    FailureTellsACloseThatWasNotSent Both Fail;
    BrokenCloseIsTold Both Should;
    CloseIsMadeUpAtTheEnd Both Fail;
    PanicsOnLongText Both Fail;
    PanicsOnReservedBits Both Fail;
    AsksForMoreWithoutEnd Both Fail;
    // Sending.
    ServerMasks Server Fail;
    ClientDoesNotMask Client Fail;
    MaskKeyIsZero Client Fail;
    MaskKeyIsConstant Client Fail;
    MaskKeyIsCounted Client Fail;
    MaskKeyIsOneByte Client Fail;
    MaskKeysAreTwo Client Fail;
    MaskKeyHasFewBits Client Fail;
    MaskKeyIsZeroForCloses Client Fail;
    MaskIsNotApplied Client Fail;
    PongHasRsv1 Both Fail;
    PongHasNoFin Both Fail;
    PongHasALongLength Both Fail;
    // Requests.
    MethodIsNotChecked Server Fail;
    MethodMayBeInLowerCase Server Fail;
    RequestOfHttp10IsTaken Server Fail;
    HostIsNotChecked Server Fail;
    TwoHostsAreTaken Server Fail;
    UpgradeIsNotChecked Server Fail;
    UpgradeIsSearchedFor Server Fail;
    UpgradeHasOneCase Server Fail;
    ConnectionIsNotChecked Server Fail;
    ConnectionIsSearchedFor Server Fail;
    ConnectionIsNoList Server Fail;
    KeyIsNotDemanded Server Fail;
    KeyIsNotDecoded Server Fail;
    KeyMayBeLonger Server Fail;
    TwoKeysAreTaken Server Fail;
    VersionIsNotDemanded Server Fail;
    VersionIsNotChecked Server Fail;
    VersionBeginsWith13 Server Fail;
    Version8IsTaken Server Custom;
    TwoVersionsAreTaken Server Fail;
    VersionIsNotTold Server Fail;
    VersionIsAnsweredWith400 Server Custom;
    RefusalHasNoResponse Server Should;
    RefusalIsFollowedByAFrame Server Fail;
    NamesHaveOneCase Server Fail;
    LinesWithoutAColonAreTaken Server Fail;
    ZerosInValuesAreTaken Server Fail;
    ManyFieldsAreRefused Server Custom;
    Latin1IsRefused Server Custom;
    AcceptIsLowerCase Server Fail;
    AcceptIsOfTheTrimmedKey Server Fail;
    AnswersWith200 Server Fail;
    AgreesToAnyExtension Server Fail;
    AgreesToAnySubprotocol Server Fail;
    AgreesToAllSubprotocols Server Fail;
    BytesBehindTheHeadAreLost Client Fail;
    EarlyFramesAreLost Server Custom;
    HeadCutIsForgotten Both Fail;
    // Responses.
    AcceptIsNotDemanded Client Fail;
    AcceptIsNotCompared Client Fail;
    AcceptIsComparedWithoutCase Client Fail;
    AcceptIsComparedByItsStart Client Fail;
    AcceptIsComparedUpToItsEnd Client Fail;
    AcceptIsSearchedFor Client Fail;
    AcceptIsDecoded Client Fail;
    AcceptIsComparedByItsLength Client Fail;
    TwoAcceptsAreTaken Client Fail;
    StatusIsNotChecked Client Fail;
    Status200IsTaken Client Fail;
    ResponseOfHttp10IsTaken Client Fail;
    ResponseUpgradeIsNotChecked Client Fail;
    ResponseUpgradeIsSearchedFor Client Fail;
    ResponseConnectionIsNotChecked Client Fail;
    ResponseConnectionIsSearchedFor Client Fail;
    AnyExtensionIsTaken Client Fail;
    AnySubprotocolIsTaken Client Fail;
    ReasonPhraseIsDemanded Client Fail;
    ResponseNamesHaveOneCase Client Fail;
    RequestHasNoHost Client Fail;
    RequestHasAShortKey Client Fail;
    RequestHasVersion8 Client Fail;
    RequestIsOfHttp10 Client Fail;
    SendsAfterARefusal Client Fail;
    // Near misses, and what is lost late.
    MaskSlipsAfter65535Bytes Server Fail;
    KeyOfTheFrameBeforeIsUsedInside Server Fail;
    Rsv1IsIgnoredOnLongFrames Both Fail;
    Rsv3IsIgnoredWithoutFin Both Fail;
    ReservedOpcodesAreTakenIfEmpty Both Fail;
    Text126IsRefused Both Fail;
    Binary126LosesItsLastByte Both Fail;
    Binary65535IsEmpty Both Fail;
    Text65536IsCutByOne Both Fail;
    EmptyBinaryIsText Both Fail;
    KindIsLostAfterAPing Both Fail;
    KindOfTheMessageBeforeIsKept Both Fail;
    MiddleOfThreeIsLost Both Fail;
    FragmentsAfter100PingsAreLost Both Fail;
    MessagesAfterAMegabyteAreCut Both Fail;
    MessagesAfter1000AreSwapped Both Fail;
    LastFragmentIsNotValidated Both Fail;
    TextIsValidatedUpTo4096Bytes Both Fail;
    CharacterIsForgottenAtAPing Both Fail;
    BinaryEndsAtAnFf Both Fail;
    Pongs100AreCut Both Fail;
    PongLosesItsFirstZero Both Fail;
    Code3000IsRefused Both Fail;
    Code4000IsRefused Both Fail;
    Code2999IsTaken Both Fail;
    Code1003IsRefused Both Fail;
    Reasons122AreRefused Both Fail;
    CloseIsAnsweredWithTheReasonOnly Both Fail;
    KeyIsMeasuredByItsLength Server Fail;
    MethodBeginsWithGet Server Fail;
    VersionListsAreTaken Server Fail;
    AcceptIsComparedWithoutPadding Client Fail;
    AcceptIsComparedUpTo20Characters Client Fail;
    StatusBeginsWith101 Client Fail;
    StatusIsANumber Client Fail;
    ResponseUpgradeIsAList Client Fail;
    // Negotiation of compression. From here on all are about that.
    UnknownParametersAreTaken Both Fail;
    AnyWindowIsTaken Both Fail;
    WindowsAreCutTo8Bits Both Fail;
    LeadingZerosInWindowsAreTaken Both Fail;
    DuplicateParametersAreTaken Both Fail;
    ValuesOfNoTakeoverAreTaken Both Fail;
    ServerWindowWithoutAValueIsTaken Both Fail;
    ParametersAreComparedByTheirStart Both Fail;
    ExtensionNamesAreComparedByTheirStart Both Fail;
    NoTakeoverIsNotEchoed Server Fail;
    ServerWindowIsNotAnswered Server Fail;
    ServerWindowIsAnsweredAs15 Server Fail;
    ServerWindow8IsAnsweredAs9 Server Fail;
    ClientWindowIsAnsweredUnasked Server Fail;
    ClientWindowIsAnsweredWithoutAValue Server Fail;
    DeflateIsAgreedToTwice Server Fail;
    DeflateIsAgreedToUnoffered Server Fail;
    AnswersWithAnUnknownParameter Server Fail;
    BadOffersAreRefused Server Fail;
    ClientWindowWithoutAValueIsTaken Client Fail;
    ClientWindowIsTakenUnasked Client Fail;
    ClientWindowIsRefused Client Fail;
    DemandsMayBeForgotten Client Fail;
    AnswersMayComeTwice Client Fail;
    OtherExtensionsAreTakenBesides Client Fail;
    OffersAWindowOf16Bits Client Fail;
    OffersAnUnknownParameter Client Fail;
    // Compressed messages that come.
    Rsv1OnContinuationsIsTaken Both Fail;
    Rsv1OnEmptyContinuationsIsTaken Both Fail;
    Rsv1OnPingsIsTaken Both Fail;
    Rsv1OnPongsIsTaken Both Fail;
    Rsv1OnClosesIsTaken Both Fail;
    Rsv2IsTakenBesidesRsv1 Both Fail;
    Rsv3IsTakenWithCompression Both Fail;
    RsvIsNotLookedAtForMessages Both Fail;
    PlainMessagesAreInflated Both Fail;
    PlainMessagesAreRefused Both Fail;
    PlainMessagesJoinTheWindow Both Fail;
    PlainMessagesClearTheWindow Both Fail;
    EmptyMessagesClearTheWindow Both Fail;
    PingsEndTheCompression Both Fail;
    PongsClearTheWindow Both Fail;
    HearsWithoutTakeoverAlways Both Fail;
    HearsAWindowOf12Bits Both Fail;
    DirectionsAreSwapped Both Fail;
    WindowHolds16384Bytes Both Fail;
    WindowHolds32767Bytes Both Fail;
    WindowIsForgottenAfter256Messages Both Fail;
    WindowIsForgottenAtBfinal Both Fail;
    Window8CannotBeHeard Both Fail;
    BfinalIsRefused Both Fail;
    MessagesAfterBfinalAreEmpty Both Fail;
    BlocksBehindBfinalAreLost Both Fail;
    StoredBlocksAreRefused Both Fail;
    DynamicBlocksAreRefused Both Fail;
    EmptyCompressedMessagesAreRefused Both Fail;
    EmptyLastFragmentsAreRefused Both Fail;
    CompressedBytesMustBeText Both Fail;
    CompressedTextIsBinary Both Fail;
    FragmentedCompressedTextIsBinary Both Fail;
    InflatedOver65536IsCut Both Fail;
    InflatedOver100000IsRefused Both Fail;
    InflatedKeepsItsLastByteBack Both Fail;
    InflatedTextIsMended Both Fail;
    InflatedTextIsNotValidated Both Fail;
    BadDataAreTakenAsFar Both Fail;
    BadDataAreEmpty Both Fail;
    BadDataCloseWith1011 Both Custom;
    PanicsOnBadData Both Fail;
    CutDataAreTaken Both Fail;
    FarDistancesAreTaken Both Custom;
    // Compressed messages that are sent.
    SendsWithTakeoverAlways Both Fail;
    SendsBeyondTheWindow Both Fail;
    SendsTheTail Both Fail;
    SendsItsLastByteTooMuch Both Fail;
    SendsItsLastByteNot Both Fail;
    SendsCompressedWithoutRsv1 Both Fail;
    SendsPlainWhatWasCompressed Both Fail;
    SendsRsv1OnContinuations Both Fail;
    SendsFragments Both Pass;
    SendsRsv1OnPongs Both Fail;
    SendsRsv2WithRsv1 Both Fail;
    SendsRsv1ThoughNothingIsAgreed Server Fail;
    QuotedWindowsAreRefused Server Pass;
}
