using System.Runtime.InteropServices;

namespace Preconf.Native.Interop;

/// <summary>Loads the native library once and compares the ABI's version and each shared struct's size, before anything else is called.</summary>
internal static unsafe class NativeLibraryProbe
{
    private static readonly Lazy<NativeLibraryException?> Fault = new(Probe);

    /// <exception cref="NativeLibraryException">The library is missing or of another version.</exception>
    public static void EnsureLoaded()
    {
        if (Fault.Value is { } fault)
        {
            throw new NativeLibraryException(fault.Fault, fault.Message, fault);
        }
    }

    private static NativeLibraryException? Probe()
    {
        PcnAbi abi;
        try
        {
            PcnStatus status = NativeMethods.pcn_abi(&abi);
            if (status != PcnStatus.Ok)
            {
                return Mismatch($"its probe answered {status}");
            }
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException or EntryPointNotFoundException)
        {
            return new NativeLibraryException(
                NativeLibraryFault.NotLoaded,
                $"the native library 'preconf_native' could not be loaded for {RuntimeInformation.RuntimeIdentifier} beside {AppContext.BaseDirectory}: "
                + $"{error.Message} Use a runtime identifier the package has a build for, or build it with ./build.sh native.",
                error);
        }

        return Compare("ABI version", NativeMethods.ABI_VERSION, abi.version)
            ?? Compare("PcnDetail", sizeof(PcnDetail), abi.detail)
            ?? Compare("PcnBytes", sizeof(PcnBytes), abi.bytes)
            ?? Compare("PcnConfig", sizeof(PcnConfig), abi.config)
            ?? Compare("PcnEvent", sizeof(PcnEvent), abi.@event)
            ?? Compare("PcnVerdict", sizeof(PcnVerdict), abi.verdict)
            ?? Compare("PcnStats", sizeof(PcnStats), abi.stats)
            ?? Compare("pointer", sizeof(nint), abi.pointer);
    }

    private static NativeLibraryException? Compare(string what, long expected, long found) =>
        expected == found ? null : Mismatch($"{what}: expected {expected}, found {found}");

    private static NativeLibraryException Mismatch(string what) => new(
        NativeLibraryFault.Mismatch,
        $"the native library 'preconf_native' beside {AppContext.BaseDirectory} is not the one this assembly was built with: {what}. "
        + "Delete it and restore or build again, so that both come from one version.",
        null);
}
